"""Rows in the shapes of published data sets, each with the roles that its columns play."""

import json
from collections.abc import Mapping
from dataclasses import replace

from studio.data.conversion.roles import Roles

Cells = Mapping[str, object]

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SHARED = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
OTHER = [TURNS[0], {"role": "assistant", "content": "Go away"}]
WEATHER = {"name": "weather", "description": "The weather", "parameters": {"type": "object", "properties": {}}}
CALL = {"name": "weather", "arguments": {"place": "Rome"}}
STORY = "Once there was a fox. It lived in a wood and was not afraid of anyone."
HH = "\n\nHuman: How do I bake bread?\n\nAssistant:"
ALPACA = "Below is an instruction that describes a task.\n\n### Instruction:\nAdd.\n\n### Response:\n3"


def qa(prompt: str, answer: str, **more: str) -> Roles:
    return Roles("question-answer", prompts=(prompt,), answer=answer, **more)


def completion(prompt: str, answer: str, **more: str) -> Roles:
    return Roles("prompt-completion", prompts=(prompt,), answer=answer, **more)


def instruction(prompt: str, answer: str, **more: str) -> Roles:
    return Roles("instruction", prompts=(prompt,), answer=answer, **more)


def preference(prompt: str, answer: str, **more: str) -> Roles:
    return Roles("preference", prompts=(prompt,), answer=answer, **more)


CHAT = Roles("chat", conversation="messages")
SHAREGPT = Roles("chat", conversation="conversations")


PUBLISHED: Mapping[str, tuple[Cells, Roles]] = {
    "tatsu-lab/alpaca": (
        {"instruction": "Add.", "input": "1 2", "output": "3", "text": ALPACA},
        instruction("instruction", "output", input="input"),
    ),
    "databricks-dolly-15k": (
        {"instruction": "Who?", "context": "Ann came.", "response": "Ann", "category": "closed_qa"},
        instruction("instruction", "response", input="context"),
    ),
    "OpenOrca": (
        {"id": "niv.1", "system_prompt": "You are kind.", "question": "Hi", "response": "Hello"},
        qa("question", "response", system="system_prompt"),
    ),
    "SlimOrca": (
        {"conversations": [{**SHARED[0], "weight": 0}, {**SHARED[1], "weight": 1}]},
        SHAREGPT,
    ),
    "OpenHermes-2.5": (
        {"conversations": SHARED, "id": None, "system_prompt": None, "source": "airoboros2.2", "title": None},
        Roles("chat", conversation="conversations", system="system_prompt"),
    ),
    "ultrachat_200k": ({"prompt": "Hi", "prompt_id": "f0e3", "messages": TURNS}, CHAT),
    "no_robots": ({"prompt": "Hi", "prompt_id": "f0e3", "messages": TURNS, "category": "Chat"}, CHAT),
    "lmsys-chat-1m": (
        {"conversation_id": "1", "model": "vicuna", "conversation": TURNS, "turn": 1, "redacted": False},
        Roles("chat", conversation="conversation"),
    ),
    "NuminaMath-CoT": ({"source": "aops", "problem": "1+1?", "solution": "It is 2.", "messages": TURNS}, CHAT),
    "LIMA": ({"conversations": ["Hi", "Hello"], "source": "stackexchange"}, SHAREGPT),
    "Capybara": (
        {"source": "TaskSource", "conversation": [{"input": "Hi", "output": "Hello"}]},
        Roles("chat", conversation="conversation"),
    ),
    "gsm8k": ({"question": "How many apples are left?", "answer": "It is 2.\n#### 2"}, qa("question", "answer")),
    "squad": (
        {
            "id": "5733",
            "title": "Notre_Dame",
            "context": "It is in Paris.",
            "question": "Where is it?",
            "answers": {"text": ["Paris", "Paris"], "answer_start": [9, 9]},
        },
        qa("question", "answers", input="context"),
    ),
    "MetaMathQA": (
        {"type": "MATH_AnsAug", "query": "1+1?", "original_question": "1+1 is?", "response": "2"},
        qa("query", "response"),
    ),
    "MathInstruct": (
        {"source": "data/CoT/x.json", "output": "It is 2.", "instruction": "What is 1+1?"},
        instruction("instruction", "output"),
    ),
    "Magicoder-OSS-Instruct": (
        {"lang": "python", "raw_index": 3, "seed": "def f", "problem": "Write f.", "solution": "def f(): ..."},
        qa("problem", "solution"),
    ),
    "OpenR1-Math": (
        {"problem": "1+1?", "solution": "First, 1.", "answer": "2", "generations": ["a", "b"], "messages": TURNS},
        CHAT,
    ),
    "NuminaMath-1.5": (
        {"problem": "1+1?", "solution": "One and one make 2.", "answer": "2", "problem_type": "Algebra"},
        qa("problem", "solution"),
    ),
    "sql-create-context": (
        {"answer": "SELECT 1", "question": "How many?", "context": "CREATE TABLE t"},
        qa("question", "answer", input="context"),
    ),
    "aya_dataset": (
        {"inputs": "Qui?", "targets": "Anne", "language": "French", "language_code": "fra", "user_id": "a"},
        completion("inputs", "targets"),
    ),
    "bitext-customer-support": (
        {"flags": "B", "instruction": "cancel my order", "category": "ORDER", "intent": "cancel", "response": "Sure."},
        instruction("instruction", "response"),
    ),
    "cnn_dailymail": ({"article": STORY, "highlights": "A fox.", "id": "0"}, completion("article", "highlights")),
    "xsum": ({"document": STORY, "summary": "A fox.", "id": "0"}, completion("document", "summary")),
    "samsum": (
        {"id": "1", "dialogue": "Amanda: Cookies?\r\nJerry: Sure!", "summary": "They bake."},
        completion("dialogue", "summary"),
    ),
    "sciq": (
        {"question": "What eats grass?", "distractor1": "A fox", "correct_answer": "A cow", "support": "Cows eat."},
        qa("question", "correct_answer", input="support"),
    ),
    "medical_meadow_medqa": (
        {"input": "Q: A man coughs. Why?", "output": "A cold", "instruction": "Please answer."},
        instruction("instruction", "output", input="input"),
    ),
    "banking77": (
        {"text": "Where is my card?", "label": 11, "label_text": "card_arrival"},
        completion("text", "label_text"),
    ),
    "a question about an abstract": (
        {"question": "Does the dose help?", "abstract": "It did, in forty people of all ages.", "label": "yes"},
        qa("question", "label", input="abstract"),
    ),
    "reviews": (
        {"id": "7", "review": "This was a rather good film.", "sentiment": "positive", "stars": 5},
        completion("review", "sentiment"),
    ),
    "headlines": (
        {"title": "Rates are up", "text": "The bank has raised them.", "category": "business"},
        Roles("prompt-completion", prompts=("title", "text"), answer="category"),
    ),
    "posts with the time of each": (
        {"created_at": "Mon 3 Jan 2022 10:00", "tweet": "This was a rather good film.", "emotion": "joy"},
        completion("tweet", "emotion"),
    ),
    "intents": ({"utterance": "I want to go to Rome, please.", "intent": "travel"}, completion("utterance", "intent")),
    "classes": ({"text": "A fox", "class": "animal"}, completion("text", "class")),
    "targets": ({"text": "A fox", "target": "animal"}, completion("text", "target")),
    "sentences": (
        {"sentence": "Where is the station?", "translation": "Wo ist der Bahnhof?"},
        completion("sentence", "translation"),
    ),
    "nli in words": (
        {"premise": "A fox runs through the woods.", "hypothesis": "An animal is running.", "label": "entailment"},
        Roles("prompt-completion", prompts=("premise", "hypothesis"), answer="label"),
    ),
    "pubmed_qa": (
        {"pubid": 1, "question": "Is it so?", "context": {"contexts": ["a"]}, "long_answer": "It is.", "labels": 2},
        qa("question", "long_answer"),
    ),
    "TinyStories": ({"text": STORY}, Roles("text", text="text")),
    "wikipedia": ({"id": "1", "url": "https://x", "title": "Fox", "text": STORY}, Roles("text", text="text")),
    "fineweb": (
        {"text": STORY, "id": "u", "dump": "CC", "url": "https://x", "language": "en", "token_count": 12},
        Roles("text", text="text"),
    ),
    "openassistant-guanaco": (
        {"text": "### Human: Hi### Assistant: Hello### Human: Bye### Assistant: See you"},
        Roles("chat", conversation="text"),
    ),
    "guanaco-llama2": ({"text": "<s>[INST] Hi [/INST] Hello </s>"}, Roles("chat", conversation="text")),
    "hh-rlhf": (
        {"chosen": f"{HH} Take flour.", "rejected": f"{HH} No."},
        Roles("preference", conversation="chosen"),
    ),
    "orca_dpo_pairs": (
        {"system": "You are kind.", "question": "Hi", "chosen": "Hello", "rejected": "Go away"},
        preference("question", "chosen", system="system"),
    ),
    "ultrafeedback_binarized": (
        {"prompt": "Hi", "prompt_id": "1", "chosen": TURNS, "rejected": OTHER, "messages": TURNS, "score_chosen": 9.0},
        Roles("preference", conversation="chosen"),
    ),
    "trl-lib/ultrafeedback (prompt apart)": (
        {"prompt": TURNS[:1], "chosen": TURNS[1:], "rejected": OTHER[1:]},
        preference("prompt", "chosen"),
    ),
    "trl-lib/tldr (turns in two columns)": (
        {"prompt": TURNS[:1], "completion": TURNS[1:]},
        completion("prompt", "completion"),
    ),
    "hermes-function-calling": (
        {
            "id": "1",
            "conversations": [{"from": "system", "value": "Call: <tools>[]</tools>"}, *SHARED],
            "tools": json.dumps([WEATHER]),
            "category": "IoT",
        },
        SHAREGPT,
    ),
    "llamafactory/glaive_toolcall": (
        {"conversations": SHARED, "tools": json.dumps([WEATHER])},
        Roles("chat", conversation="conversations", tools="tools"),
    ),
    "xlam-function-calling-60k": (
        {"id": 0, "query": "Rome?", "answers": json.dumps([CALL]), "tools": json.dumps([WEATHER])},
        qa("query", "answers", tools="tools"),
    ),
    "llamafactory alpaca with history": (
        {"instruction": "And?", "input": "", "output": "Yes", "system": "Be kind.", "history": [["Hi", "Hello"]]},
        instruction("instruction", "output", input="input", system="system", history="history"),
    ),
    "distilabel (a turn by itself)": (
        {"prompt": "Hi", "chosen": TURNS[1], "rejected": OTHER[1]},
        preference("prompt", "chosen"),
    ),
    "mental_health_counseling": ({"Context": "I am sad.", "Response": "Why?"}, completion("Context", "Response")),
    "medical-o1-reasoning": (
        {"Question": "Why?", "Complex_CoT": "First, a fox.", "Response": "A cold."},
        replace(qa("Question", "Response"), reasoning="Complex_CoT"),
    ),
    "medalpaca wikidoc (constant instruction)": (
        {"instruction": "Answer this.", "question": "What is a cold?", "answer": "An illness."},
        qa("question", "answer"),
    ),
}
