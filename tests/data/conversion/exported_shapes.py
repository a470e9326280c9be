"""Rows as usual programs export them, each with the roles that its columns play."""

from collections.abc import Mapping

from studio.data.conversion.roles import Roles
from tests.data.conversion.published_shapes import (
    CHAT,
    OTHER,
    SHARED,
    STORY,
    TURNS,
    WEATHER,
    Cells,
    completion,
    preference,
    qa,
)

EXPORTED: Mapping[str, tuple[Cells, Roles]] = {
    "OpenAI fine-tuning": ({"messages": TURNS, "parallel_tool_calls": False}, CHAT),
    "OpenAI fine-tuning with tools": (
        {"messages": TURNS, "tools": [{"type": "function", "function": WEATHER}]},
        Roles("chat", conversation="messages", tools="tools"),
    ),
    "OpenAI preference": (
        {
            "input": {"messages": TURNS[:1], "tools": []},
            "preferred_output": TURNS[1:],
            "non_preferred_output": OTHER[1:],
        },
        preference("input", "preferred_output"),
    ),
    "Gemini tuning": (
        {
            "systemInstruction": {"role": "system", "parts": [{"text": "Be kind."}]},
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]}],
        },
        Roles("chat", conversation="contents", system="systemInstruction"),
    ),
    "ChatGPT": (
        {
            "title": "Greeting",
            "create_time": 1.5,
            "mapping": {
                "a": {"parent": None, "children": ["b"], "message": None},
                "b": {
                    "parent": "a",
                    "children": ["c"],
                    "message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Hi"]}},
                },
                "c": {
                    "parent": "b",
                    "children": [],
                    "message": {"author": {"role": "assistant"}, "content": {"parts": ["Hello"]}},
                },
            },
            "current_node": "c",
            "conversation_id": "1",
        },
        Roles("chat", conversation="mapping"),
    ),
    "Claude": (
        {
            "uuid": "1",
            "name": "Greeting",
            "chat_messages": [
                {"sender": "human", "text": "Hi", "content": [{"type": "text", "text": "Hi"}], "attachments": []},
                {"sender": "assistant", "text": "Hello", "content": [{"type": "text", "text": "Hello"}], "files": []},
            ],
        },
        Roles("chat", conversation="chat_messages"),
    ),
    "pandas to CSV": ({"": 0, "messages": str(TURNS)}, CHAT),
    "numpy to CSV": ({"messages": f"[{TURNS[0]}\n {TURNS[1]}]"}, CHAT),
    "Parquet with a list for each field": (
        {"messages": {"role": ["user", "assistant"], "content": ["Hi", "Hello"]}},
        CHAT,
    ),
    "a pair in one column": ({"data": {"question": "Hi", "answer": "Hello"}}, Roles("chat", conversation="data")),
    "turns under an unusual name": ({"id": 1, "verlauf": SHARED}, Roles("chat", conversation="verlauf")),
    "FAQ": ({"Nr.": 1, "Kategorie": "Versand", "Frage ": "Wann?", "Antwort": "Morgen."}, qa("Frage ", "Antwort")),
    "FAQ in Spanish": ({"Pregunta": "¿Cuándo?", "Respuesta": "Mañana."}, qa("Pregunta", "Respuesta")),
    "FAQ in French": ({"Question": "Quand ?", "Réponse": "Demain."}, qa("Question", "Réponse")),
    "FAQ in Chinese": ({"问题": "什么时候?", "答案": "明天。"}, qa("问题", "答案")),
    "FAQ in Japanese": ({"質問": "いつ?", "回答": "明日。"}, qa("質問", "回答")),
    "FAQ in Russian": ({"Вопрос": "Когда?", "Ответ": "Завтра."}, qa("Вопрос", "Ответ")),
    "FAQ in Hindi": ({"प्रश्न": "कब?", "उत्तर": "कल।"}, qa("प्रश्न", "उत्तर")),
    "FAQ in Arabic": ({"السؤال": "متى؟", "الإجابة": "غدا."}, qa("السؤال", "الإجابة")),
    "FAQ with longer names": (
        {"Customer question": "When?", "Our answer": "Soon.", "Answer date": "2024-01-01"},
        completion("Customer question", "Our answer"),
    ),
    "FAQ without names": (
        {"column 1": "When do you open?", "column 2": "We open at nine in the morning."},
        completion("column 1", "column 2"),
    ),
    "helpdesk": (
        {
            "Ticket id": 7,
            "Subject": "Late parcel",
            "Description": "It is not here.",
            "Status": "closed",
            "Priority": "high",
            "Agent reply": "It comes today.",
        },
        Roles("prompt-completion", prompts=("Subject", "Description"), answer="Agent reply"),
    ),
    "e-mails": (
        {"From": "a@b.example", "Subject": "Late", "Body": "Where is it?", "Reply": "On its way."},
        Roles("prompt-completion", prompts=("Subject", "Body"), answer="Reply"),
    ),
    "OpenAI evals": ({"input": TURNS[:1], "ideal": "Hello"}, completion("input", "ideal")),
    "Q and A": ({"Q": "When?", "A": "Soon."}, completion("Q", "A")),
    "user and assistant": ({"user": "Hi", "assistant": "Hello"}, completion("user", "assistant")),
    "blog": ({"Title": "Foxes", "Body": STORY, "Author": "Ann"}, Roles("text", text="Body")),
    "a text file": ({"text": STORY}, Roles("text", text="text")),
    "one unnamed column": ({"column 1": STORY}, Roles("text", text="column 1")),
}
