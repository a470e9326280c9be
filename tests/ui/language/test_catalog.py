"""How a text of the page is said in another language."""

import pytest

from studio.ui.language.catalog import Catalog, catalog
from studio.ui.language.search import LONGEST, unknown

SAID = {
    "Rows": "Zeilen",
    "{0#} row": "{0} Zeile",
    "{0#} rows": "{0} Zeilen",
    "{0} of {1}": "{0} von {1}",
    "Ready: {0}.{1}": "Bereit: {0}.{1}",
    "{0} left out": "{0} ausgelassen",
    "It stays.": "Es bleibt.",
    "There is no run '{0}'.": "Es gibt keinen Lauf '{0}'.",
    "{0} {1} skipped: {2}.": "{0}{1~} übersprungen: {2}.",
    "Finished: {0} {1}.": "Fertig: {0} {1}.",
    "in {0}": "in {0}",
    "steps": "Schritte",
    "{0#} steps": "{0} Schritte",
    ", which is kept": ", der bleibt",
    "about {0}": "etwa {0}",
}


@pytest.fixture
def german() -> Catalog:
    return Catalog(SAID)


@pytest.mark.parametrize(
    ("english", "said"),
    [
        ("Rows", "Zeilen"),
        ("  Rows ", "  Zeilen "),
        ("rows", "Zeilen"),  # in the middle of a sentence
        ("1 row", "1 Zeile"),
        ("1,024 rows", "1.024 Zeilen"),
        ("3 of 12 rows", "3 von 12 Zeilen"),
        ("Ready: 5 rows. It stays.", "Bereit: 5 Zeilen. Es bleibt."),
        ("Ready: 5 rows.", "Bereit: 5 Zeilen."),
        ("It stays. It stays.", "Es bleibt. Es bleibt."),
        ("Finished: 4 steps in 2 min 3 s.", "Fertig: 4 Schritte in 2 min 3 s."),
        ("3 rows are skipped: 4 steps.", "3 Zeilen übersprungen: 4 Schritte."),
        ("Rows (1,024)", "Zeilen (1.024)"),
        ("5 rows · 4 steps", "5 Zeilen · 4 Schritte"),
        ("about 1.3 GB", "etwa 1,3 GB"),
        ("What a person wrote", "What a person wrote"),
        ("", ""),
        ("0.5", "0,5"),
        ("127.0.0.1:7860", "127.0.0.1:7860"),
        ("SmolLM2-1.7B", "SmolLM2-1.7B"),
        ("Rows, which is kept", "Zeilen, der bleibt"),
    ],
)
def test_a_text_is_said_as_far_as_it_is_known(german: Catalog, english: str, said: str) -> None:
    assert german.translate(english) == said


def test_what_is_quoted_stays(german: Catalog) -> None:
    assert german.translate("There is no run 'Rows'.") == "Es gibt keinen Lauf 'Rows'."


def test_columns_stay(german: Catalog) -> None:
    assert german.translate("Ready: 5 rows, rows → steps.") == "Bereit: 5 Zeilen, rows → steps."


def test_what_is_not_known_is_told_for_tests(german: Catalog) -> None:
    assert unknown(german, "3 of 12 rows") == ()
    assert unknown(german, "3 of 12 lamps") == ("lamps",)


@pytest.mark.parametrize(
    "text", ["of " * 300, "a, b: c; d " * 100, "rows in rows " * 80, "x" * 5000, "1 2 3 " * 190, "(" * 900]
)
def test_what_is_no_message_ends(text: str) -> None:
    """A person's own text can look like anything: it is looked at only so long."""
    known = catalog("de")
    assert known is not None
    assert known.translate(text)
    assert len(text) <= LONGEST or known.translate(text) == text


def test_english_has_no_catalog() -> None:
    assert catalog("en") is None


def test_real_sentences() -> None:
    known, spanish = catalog("de"), catalog("es")
    assert known is not None
    assert spanish is not None
    text = "QLoRA (4-bit): learning rate 0.0005, needs about 1.3 GB of memory."
    assert known.translate(text) == "QLoRA (4 Bit): Lernrate 0,0005, benötigt etwa 1,3 GB Speicher."
    assert spanish.translate("1,200 steps") == "1.200 pasos"
    for english, german, other in (
        ("Use lighthouse voice", "Leuchtturm verwenden", "Usar la voz del farero"),
        (
            "Evaluated 27 Nov, 10:53 on 1 of 1 held-out rows, in 4 min 38 s on the CPU, fp32.",
            "Ausgewertet: 27 Nov., 10:53 (zurückgehaltene Zeilen: 1 von 1), in 4 min 38 s mit der CPU, fp32.",
            "Evaluada: 27 nov, 10:53 (filas reservadas: 1 de 1), en 4 min 38 s con la CPU, fp32.",
        ),
        (
            "Trains QLoRA (4-bit) and full fine-tuning with the same examples, the same seed (42) and the same "
            "settings as otter.",
            "Trainiert QLoRA (4 Bit) und vollständiges Fine-Tuning mit denselben Beispielen, demselben Seed (42) und "
            "denselben Einstellungen wie otter.",
            "Entrena QLoRA (4 bits) y ajuste completo con los mismos ejemplos, la misma semilla (42) y los mismos "
            "ajustes que otter.",
        ),
        (
            "What it finds likely as the next word differs by at most 0 (logits); 4e-4 is allowed. Checked: the zip, "
            "unpacked and asked by plain peft and transformers 5.23.0 in a process of its own, against the model as it "
            "was at the end of the training.",
            "Was es als nächstes Wort für wahrscheinlich hält, weicht um höchstens 0 ab (Logits); erlaubt ist 4e-4. "
            "Geprüft: das Zip, entpackt, gefragt von reinem peft und transformers 5.23.0 in einem eigenen Prozess, "
            "gegen das Modell, wie es am Ende des Trainings war.",
            "Lo que considera probable como palabra siguiente difiere como máximo en 0 (logits); se permite 4e-4. "
            "Comprobado: el zip, descomprimido, con preguntas por peft y transformers 5.23.0 puro en un proceso "
            "propio, comparado con el modelo tal como era al final del entrenamiento.",
        ),
        (
            "7 learned, 1 held out, 0 left out",
            "7 gelernt, 1 zurückgehalten, 0 ausgelassen",
            "7 para aprender, 1 en reserva, 0 fuera",
        ),
        (
            "1 run learned from it and keeps its own copy. You can restore what you delete from the trash.",
            "1 Lauf hat daraus gelernt und behält eine eigene Kopie. Was Sie löschen, können Sie aus dem Papierkorb "
            "wiederherstellen.",
            "1 ejecución aprendió de él y guarda su propia copia. Lo que se borra se puede restaurar desde la "
            "papelera.",
        ),
        (
            "Read 8 rows of JSON Lines in qa8.jsonl.",
            "Gelesen: 8 Zeilen JSON Lines in qa8.jsonl.",
            "Leído: 8 filas de JSON Lines en qa8.jsonl.",
        ),
    ):
        assert known.translate(english) == german
        assert spanish.translate(english) == other
