"""What people call the columns of their files, in the languages they speak. Names only; content is judged elsewhere."""

import re
import unicodedata
from collections.abc import Mapping

MOST_COLUMNS = 1_000
"""So many columns are looked at to find out what they are, the first of the file."""

ANSWERING = ("output", "completion", "answer", "response", "solution", "target")
"""The concepts of which each is what a model is to answer."""

_NAMES: Mapping[str, str] = {
    "conversation": "messages conversations conversation dialogue dialog dialogs chat chats turns contents "
    "chatmessages mapping transcript",
    "system": "system systemprompt systemmessage systeminstruction systeminstructions systemtext",
    "history": "history chathistory previousturns",
    "tools": "tools functions",
    "chosen": "chosen chosenmessages chosenconversation chosenresponse "
    "preferred preferredoutput preferredresponse acceptedanswer chosenanswer",
    "rejected": "rejected rejectedmessages rejectedconversation rejectedresponse "
    "nonpreferred nonpreferredoutput dispreferred rejectedanswer",
    "instruction": "instruction instructions anweisung anweisungen instruccion instrucciones consigne "
    "istruzione istruzioni instrucao instructie polecenie talimat инструкция 指令 指示 지시",
    "prompt": "prompt prompts usermessage userprompt userinput userquery eingabeaufforderung 提示 プロンプト 프롬프트",
    "question": "question questions query queries ques frage fragen pregunta preguntas pergunta perguntas domanda "
    "domande vraag vragen pytanie pytania soru sorular вопрос вопросы запрос 问题 問題 问 質問 질문 سؤال السؤال "
    "प्रश्न cauhoi cauhoi otazka fraga spørgsmal spørsmal kysymys ερωτηση intrebare kerdes",
    "problem": "problem problems aufgabe aufgaben exercise",
    "input": "input inputs eingabe entrada entree ingresso invoer wejscie ввод 输入 入力 입력",
    "context": "context passage support background kontext contexto contexte contesto контекст 上下文 背景 文脈",
    "answer": "answer answers bestanswer correctanswer goldanswer expectedanswer finalanswer ideal antwort antworten "
    "respuesta respuestas reponse reponses resposta respostas risposta risposte antwoord antwoorden odpowiedz "
    "odpowiedzi cevap cevaplar yanit ответ ответы 答案 回答 答 답변 대답 جواب الجواب إجابة الإجابة उत्तर "
    "traloi cautraloi odpoved svar vastaus απαντηση raspuns valasz",
    "output": "output outputs ausgabe salida sortie uscita saida uitvoer wyjscie вывод 输出 出力 출력 expectedoutput",
    "response": "response responses reply replies modelresponse assistantresponse botresponse botreply agentreply "
    "agentresponse assistantmessage",
    "user": "user human",
    "q": "q",
    "a": "a ans",
    "assistant": "assistant gpt chatgpt bot ai",
    "completion": "completion completions generation",
    "solution": "solution solutions resolution losung solucion solucao soluzione oplossing решение 解答",
    "target": "target targets",
    "summary": "summary summaries highlights zusammenfassung resumen resume resumo riassunto samenvatting tldr",
    "text": "text texts texte testo texto tekst текст 文本 テキスト 텍스트 content body document documents "
    "article articles story stories paragraph rawcontent pagecontent fulltext",
    "heading": "subject title headline betreff titel titre asunto titulo objet oggetto тема 标题",
    "message": "description message issue customermessage request inquiry enquiry beschreibung "
    "nachricht anfrage descripcion mensaje descricao mensagem messaggio body selftext complaint",
    "reasoning": "reasoning reasoningcontent reasoningtext reasoningdetails thinking thinkingcontent thoughts thought "
    "think chainofthought cot complexcot rationale analysis",
    "translation": "translation translated translatedtext targettext ubersetzung traduccion traduction traduzione "
    "traducao vertaling 翻译 翻訳 번역",
    "label": "label labels labeltext labelname class classname category categories "
    "sentiment rating stars score intent emotion topic kategorie toxic spam",
    "id": "id messageid rowid nodeid postid commentid questionid qid turnid uid uuid key",
    "parent": "parent parentid parentmessageid replyto replytoid inreplyto inreplytoid previousid prev previd previous "
    "previousmessageid follows",
    "order": "turn turnid turnindex turnnumber turnnum turnno messageindex messagenumber messageno messageorder "
    "position pos index idx sequence sequencenumber seq seqno order ordering step round timestamp time ts datetime "
    "date createdat createdate createddate createdon createdtime created createtime sentat senttime",
    "thread": "conversationid convid conversationhash dialogid dialogueid sessionid threadid chatid thread "
    "session ticketid",
    "speaker": "role speaker sender replyto inreplyto inresponsetotweetid parentid",
    "said": "content text message body utterance value messagetext messagecontent messagebody textcontent",
    "verdict": "isgood good desirable thumbsup accepted iscorrect correct",
    "choices": "choices options choice option",
}
_FIGURES = frozenset(
    "id ids uid uuid hash count length len score scores type source src lang language date time timestamp url link "
    "rating number no nr num index idx tokens token name email mail key status category label template "
    "embedding file path version is has votes likes incorrect wrong bad negative distractor original raw old".split()
)
_CALLED = {concept: frozenset(names.split()) for concept, names in _NAMES.items()}
_MEANINGS: Mapping[str, frozenset[str]] = {
    name: frozenset(concept for concept, names in _CALLED.items() if name in names)
    for name in frozenset[str]().union(*_CALLED.values())
}
"""What each name means: a file may have a hundred thousand columns, and each is asked about every concept."""
_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def plain(name: str) -> str:
    """Return a name without case, accents of Latin letters, spaces and punctuation."""
    if name.isascii():
        return "".join(filter(str.isalnum, name.lower()))
    letters = unicodedata.normalize("NFKD", name).casefold()
    kept = "".join(letter for letter in letters if letter.isalnum() or unicodedata.category(letter) in ("Mn", "Mc"))
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", kept))


def meanings(name: str) -> frozenset[str]:
    """Return every concept that is usually called by this name."""
    return _MEANINGS.get(plain(name), frozenset())


def words_of(name: str) -> list[str]:
    """Return the words of a name, as in "customer_question" or "customerQuestion"."""
    return [plain(word) for word in _WORD.findall(_CAMEL.sub(" ", name))]


def hints(name: str) -> frozenset[str]:
    """Return what the words of a longer name mean, as in "customer question"; nothing where a word is of a figure."""
    words = words_of(name)
    if not _FIGURES.isdisjoint(words):
        return frozenset()
    return frozenset[str]().union(*(_MEANINGS[word] for word in words if word in _MEANINGS))


def means(name: str, concept: str) -> bool:
    """Say whether a column of this name is called what the concept is usually called."""
    return concept in meanings(name)


def is_exactly(name: str, concept: str) -> bool:
    """Say whether a column has the most usual of the names for a concept."""
    return plain(name) == _NAMES[concept].split(maxsplit=1)[0]


def hints_at(name: str, concept: str) -> bool:
    """Say whether one word of a longer name is such a name, as in "customer question", and no word is of a figure."""
    return concept in hints(name)
