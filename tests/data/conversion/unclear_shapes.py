"""Rows of which nobody can say for sure what is to be learned from them, so that a person has to be asked."""

from collections.abc import Mapping, Sequence

from tests.data.conversion.published_shapes import OTHER, STORY, TURNS, Cells

UNCLEAR: Mapping[str, Sequence[Cells]] = {
    "imdb": [{"text": STORY, "label": 1}, {"text": "Bad.", "label": 0}],
    "mmlu": [{"question": "Which?", "subject": "law", "choices": ["x", "y"], "answer": 1}],
    "race": [{"article": STORY, "question": "Who?", "options": ["a fox", "a cow"], "answer": "A"}],
    "commonsense_qa": [{"question": "Who?", "choices": {"label": ["A"], "text": ["fox"]}, "answerKey": "A"}],
    "quiz": [{"question": "Which?", "A": "x", "B": "y", "C": "z", "D": "w", "answer": "B"}],
    "quiz with options": [{"Question": "Which?", "Option 1": "x", "Option 2": "y", "Answer": "2"}],
    "quiz with the first choice called A": [
        {"Question": "Which?", "A": "a fox", "B": "a cow", "C": "an owl", "Correct": "B"},
    ],
    "OpenMathInstruct-2": [{"problem": "1+1?", "generated_solution": "One and one.", "expected_answer": "2"}],
    "arena": [
        {"model_a": "x", "model_b": "y", "winner": "model_a", "conversation_a": TURNS, "conversation_b": OTHER},
    ],
    "cosmopedia": [{"prompt": "Write about foxes.", "text": STORY, "format": "blog"}],
    "the same question in every row": [{"instruction": "Sum it up.", "output": f"Row {row}"} for row in range(6)],
    "medmcqa": [{"question": "Which?", "opa": "x", "opb": "y", "cop": 1, "choice_type": "single", "exp": "Because."}],
    "mt_bench": [{"question_id": 81, "category": "writing", "turns": ["Write.", "Now shorter."], "reference": []}],
    "messages that nothing ties together": [
        {"id": "1", "text": "Hi", "role": "user", "lang": "en"},
        {"id": "2", "text": "Hello", "role": "assistant", "lang": "en"},
    ],
    "twitter support": [{"tweet_id": 1, "author_id": "a", "text": "Help!", "in_response_to_tweet_id": None}],
    "kto with numbers": [
        {"prompt": TURNS[:1], "completion": TURNS[1:], "label": 1},
        {"prompt": TURNS[:1], "completion": OTHER[1:], "label": 0},
    ],
    "wiki_qa": [
        {"question": "Who?", "document_title": "Fox", "answer": "A cow.", "label": 0},
        {"question": "Who?", "document_title": "Fox", "answer": "A fox.", "label": 1},
    ],
    "PKU-SafeRLHF": [{"prompt": "Hi", "response_0": "a", "response_1": "b", "better_response_id": 1}],
    "two models": [{"question": "Hi", "gpt answer": "a", "llama answer": "b"}],
    "SHP": [{"post_id": "1", "history": "A post.", "human_ref_A": "a", "human_ref_B": "b", "labels": 1}],
    "translation": [{"translation": {"de": "Hallo", "en": "Hello"}}],
    "two languages": [{"de": "Hallo Welt", "en": "Hello world"}],
    "snli": [{"premise": "A fox.", "hypothesis": "An animal.", "label": 0}],
    "quora": [{"question1": "Who is it?", "question2": "Who is that?", "is_duplicate": True}],
    "triplets": [{"anchor": "fox", "positive": "vixen", "negative": "cow"}],
    "prompts only": [{"act": "Travel guide", "prompt": "I want you to act as a guide."}],
    "a list of prompts": [{"prompt": "Tell me a story."}],
    "coqa": [{"story": STORY, "questions": ["Who?", "Where?"], "answers": {"input_text": ["A fox", "A wood"]}}],
    "eli5": [{"title": "Why?", "selftext": "", "answers": {"a_id": ["1", "2"], "text": ["So", "Thus"]}}],
    "stack-exchange-preferences": [{"qid": 1, "question": "Why?", "answers": [{"text": "So"}, {"text": "Thus"}]}],
    "questions of named people": [{"Name": "Ann Smith", "Comment": "Can you call me?"}],
    "jira": [
        {"Summary": "It stops", "Issue key": "A-1", "Resolution": done, "Description": "It stops at noon."}
        for done in ("Fixed", "Fixed", "Fixed", "Open")
    ],
    "contacts": [{"Name": "Ann", "E-mail": "ann@b.example", "City": "Rome"}],
    "figures": [{"x": 1, "y": 2.5}],
    "tickets without replies": [{"Ticket": 7, "Status": "open", "Agent": "Ann", "Response time": "2 h"}],
    "tags in lists": [{"name": "fox", "tags": ["red", "quick"]}],
}
