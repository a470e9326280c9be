import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.data.checking.personal import CARDS, EMAILS, KEYS, KINDS, PHONES, mask, personal_kinds

# Put together here, so that no scanner of secrets takes them for real ones.
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
OPENAI = "sk-" + "proj-" + "Ab3dE5gH7jK9mN1pQ3rS5tU7vW9x"
GITHUB = "ghp" + "_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
SLACK = "xoxb" + "-" + "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"
HUB = "hf" + "_" + "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi"
STRIPE = "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
GOOGLE = "AIza" + "SyD3x9Kq2LmN4oP5rS6tU7vW8xY9zA0bC1d"
TELEGRAM = "110201543" + ":AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"
WEB_TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0"
    + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)
LINES = "MIIEowIBAAKCAQEAx5fV0Jk3q9Zr\nTz8+Qm1wYb2hC7uN4sLdE6gK0pVx\n"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{LINES}-----END RSA PRIVATE KEY-----"
WIDE = {sign: sign + 0xFEE0 for sign in range(0x21, 0x7F)}
SPACES = "\u00a0\u202f\u2007\u2009"

MASKED = [
    (KEYS, f"My key is {AWS}.", "My key is [key]."),
    (KEYS, f'client = OpenAI(api_key="{OPENAI}")', 'client = OpenAI(api_key="[key]")'),
    (KEYS, f"git clone https://{GITHUB}@github.com/a/b", "git clone https://[key]@github.com/a/b"),
    (KEYS, f"SLACK_TOKEN={SLACK}\nNEXT=1", "SLACK_TOKEN=[key]\nNEXT=1"),
    (KEYS, f"login(token='{HUB}')", "login(token='[key]')"),
    (KEYS, f"Stripe: {STRIPE}", "Stripe: [key]"),
    (KEYS, f"?key={GOOGLE}&q=1", "?key=[key]&q=1"),
    (KEYS, f"bot {TELEGRAM}", "bot [key]"),
    (KEYS, f"Authorization: Bearer {WEB_TOKEN}", "Authorization: Bearer [key]"),
    (KEYS, f"Here:\n{PEM}\nThanks", "Here:\n[key]\nThanks"),
    (KEYS, PEM.replace("\n", "\\n"), "[key]"),
    (KEYS, f"{PEM[:60]}{'A' * 40}\n{'B3' * 20}\n\nBye", "[key]\n\nBye"),
    (KEYS, "postgres://app:hunter2@db.example.com:5432/shop", "postgres://app:[key]@db.example.com:5432/shop"),
    (KEYS, "redis://:s3cr3t-pw@cache/0", "redis://:[key]@cache/0"),
    (KEYS, 'api_key = "9fB2kLx7Qz41mNp8Rt60"', 'api_key = "[key]"'),
    (KEYS, "AWS_SECRET_ACCESS_KEY=wJalrXUt4FEMIK7MDENGbPxRfiCY9z3mLEKEY+ab", "AWS_SECRET_ACCESS_KEY=[key]"),
    (KEYS, "password: 'Xk29fLqP0sVb83Nm'", "password: '[key]'"),
    (EMAILS, "Write to anna.berg+list@example.co.uk.", "Write to [email]."),
    (EMAILS, "Anna Berg <anna@example.com>, (bo@firma.de)", "Anna Berg <[email]>, ([email])"),
    (EMAILS, "mailto:a_b-c@mail.example.org?subject=x", "mailto:[email]?subject=x"),
    (EMAILS, "请联系 wang@example.cn。谢谢", "请联系 [email]。谢谢"),
    (EMAILS, "请联系wang@example.cn谢谢", "请联系[email]谢谢"),
    (EMAILS, "jürgen.müller@beispiel.de oder ANNA@EXAMPLE.COM", "[email] oder [email]"),
    (EMAILS, '"email":"jo@site.io","x":1', '"email":"[email]","x":1'),
    (CARDS, "Card 4111 1111 1111 1111, thanks", "Card [card], thanks"),
    (CARDS, "4242424242424242", "[card]"),
    (CARDS, "pay with 5555-5555-5555-4444 (exp 12/27)", "pay with [card] (exp 12/27)"),
    (CARDS, "Amex 3782 822463 10005.", "Amex [card]."),
    (CARDS, "6011111111111117 and 3530111333300000", "[card] and [card]"),
    (CARDS, "卡号4111111111111111。", "卡号[card]。"),
    (PHONES, "Call +1 (415) 555-2671 now", "Call [phone] now"),
    (PHONES, "+44 20 7946 0958, +4930123456 or +49 (0)30 123456", "[phone], [phone] or [phone]"),
    (PHONES, "(415) 555-2671; 415-555-2671; 415.555.2671.", "[phone]; [phone]; [phone]."),
    (PHONES, "toll-free 1-800-555-0199!", "toll-free [phone]!"),
    (PHONES, "London 020 7946 0958 and 07700 900123", "London [phone] and [phone]"),
    (PHONES, "Appelez le 06 12 34 56 78.", "Appelez le [phone]."),
    (PHONES, "東京 03-1234-5678、携帯 090-1234-5678", "東京 [phone]、携帯 [phone]"),
    (PHONES, "电话\uff1a13812345678", "电话\uff1a[phone]"),
    (PHONES, "我的手机号码是13812345678。", "我的手机号码是[phone]。"),
    (PHONES, "my phone number is 5551234567", "my phone number is [phone]"),
    (PHONES, "Tel. 030/1234567, Fax: 030 1234568", "Tel. [phone], Fax: [phone]"),
    (PHONES, "call me at 555-0123 tonight", "call me at [phone] tonight"),
    (PHONES, "Телефон: 8 (912) 345-67-89", "Телефон: [phone]"),
    (EMAILS, "请\uff0c\uff41nna\uff10@\uff45xample\uff0e\uff43om。", "请\uff0c[email]。"),
    (EMAILS, "\uff4a\uff4fe@example.com", "[email]"),
    (EMAILS, "anna.b@example.co.jp".translate(WIDE), "[email]"),
    (EMAILS, "写信给wang\uff20example.cn\uff0c谢谢", "写信给[email]\uff0c谢谢"),
    (EMAILS, "wang@example.cn\uff11", "[email]\uff11"),
    (EMAILS, "x@例え.jp, info@пример.рф, a@mail.bücher.example", "[email], [email], [email]"),
    (EMAILS, "info@xn--e1afmkfd.xn--p1ai, jo@उदाहरण.भारत", "[email], [email]"),
    (EMAILS, "An an\u200bna\u00ad.berg\u2060@exam\u200bple.com é", "An [email] é"),
    *((CARDS, f"Carte{gap}4111{gap}1111{gap}1111{gap}1111{gap}!", f"Carte{gap}[card]{gap}!") for gap in SPACES),
    (CARDS, "卡号:4111 1111 1111 1111,5".translate(WIDE), "卡号\uff1a[card]\uff0c\uff15"),
    (CARDS, "4111\u20111111\u20111111\u20111111", "[card]"),
    (PHONES, "Appelez le 06\u00a012\u00a034\u00a056\u00a078.", "Appelez le [phone]."),
    (PHONES, "電話:03-1234-5678".translate(WIDE), "電話\uff1a[phone]"),
    (PHONES, "WhatsApp (11) 91234-5678", "WhatsApp [phone]"),
    (PHONES, "Ring the shop on 01225 555 143.", "Ring the shop on [phone]."),
    (PHONES, "01225-555-143, 01225.555.143 or (01225) 555-143", "[phone], [phone] or [phone]"),
    (PHONES, "Our mobile: 07700 900 123", "Our mobile: [phone]"),
    (PHONES, "Berlin 030 1234567, Köln 0221 987654", "Berlin [phone], Köln [phone]"),
    (PHONES, "Amsterdam 020 123 4567, Zürich 044 668 18 00", "Amsterdam [phone], Zürich [phone]"),
    (PHONES, "Sydney (02) 9876 5432 or 02 9876 5432", "Sydney [phone] or [phone]"),
    (PHONES, "06-12-34-56-78 of 06 12345678", "[phone] of [phone]"),
    (PHONES, "My number is 01225555143.", "My number is [phone]."),
    (PHONES, "Please call us on 415 555 2671, or ring 01225555143.", "Please call us on [phone], or ring [phone]."),
]

IN_PEACE = [
    # numbers of orders, parcels, books, barcodes, accounts
    "Order 112-1234567-1234567 and order number 4539578763621486 have shipped.",
    "Order #123-456-7890, invoice no. 415-555-2671, ticket 555-123-4567",
    "ISBN 978-3-16-148410-0, ISBN-10: 0-306-40615-2, ISBN 9783161484100, ISSN 2049-3630",
    "Tracking 1Z999AA10123456784, 9400110200881234567890, JD014600003123456789",
    "EAN 4006381333931, UPC 036000291452, GTIN 00012345600012, IMEI 490154203237518",
    "IBAN DE89 3704 0044 0532 0130 00, BIC COBADEFFXXX, VAT DE123456789, account 1234567890",
    "SSN-like 12-3456789, part 3528-1111-2222, docket 21-1234, RFC 7519, CVE-2021-44228",
    "ORCID 0000-0002-1825-0097, DOI 10.1000/182, arXiv:2106.09685, PMID 12345678",
    "Booking 01225 555 143, receipt no. 030 1234567, customer number 0221 987654, lot: 01225.555.143",
    "The order is 415 555 2671, and the parcels 01225555143 and 00123 456 789 are on their way.",
    # dates, times, versions, amounts, coordinates, statistics
    "From 2023-01-15 10:30 to 15.01.2023, 01-02-2023, 20230115T103045Z, 1673778645, 1673778645123",
    "2024-06-01T12:00:00+02:00 and UTC+0530, 10:30-11:45, 1999-2004, 1914-1918",
    "Open 0900 1700, 08:30 12:30, from 01 02 2023 to 05 12 2024, 2023 01 15, 01.02.2023 10.30, 01-02-03-04-05",
    "It costs 1 200 500 or 1200 500 000, 0.50 to 0.75, 12 500 kg, 100 200 3000, from 200 400 6000 on, £1 225 555.143",
    "Version 1.22.333.4444, numpy==1.26.4, v2023.10.1, 10.15.7, Python 3.11.7, 5.15.0-91-generic",
    "It costs $1,234,567.89 or 1.234.567,89 €, about 12 345 678 people, 100 000 000 units, 3.14159265358979",
    "52.520008, 13.404954; 40°26\u203246″N 79°58\u203256″W; -122.4194155; POINT(13.4050 52.5200)",
    "Scores 12-10, 21-19, 11-9; 01 02 03 04 05 06 07; 10 20 30 40 50 60 70; 1 2 3 4 5 6 7 8 9 10 11",
    "Growth of +12000000 users, +1 000 000 000 in total, +2147483647, x = 5 +12345678",
    "Lottery: 06 12 24 31 45 49. Sizes 120-180-2000 mm. 1600 1200 1024 768.",
    "phone 2024-01-15, phone 12.5 inches, mobile 3, tel aviv 2023, telephone in 1876, cell 42",
    "call function 12345678, call 911, dial 112, text 2023-0145",
    # addresses on a network, identifiers, hashes, code
    "IPs 192.168.100.200, 10.0.0.1:8080, 2001:0db8:85a3:0000:0000:8a2e:0370:7334, 255.255.255.0",
    "MAC 00:1A:2B:3C:4D:5E, UUID 123e4567-e89b-12d3-a456-426614174000, id=4111111111111111",
    "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, md5 d41d8cd98f00b204e9800998ecf8427e",
    "commit 31554f9a2592bac86db1428b4b29953bbbd3aa01 (tag: v1.2.3), blob 86db142",
    "key = hashlib.sha256(password.encode()).hexdigest(); token = tokenizer.encode_plus(text, max_length=1024)",
    "password = getpass.getpass('Password: '); secret = os.environ['SECRET_KEY_2024']; key: sorted(items)[0]",
    "api_key='YOUR_API_KEY', token=<your-token-here>, OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxx, password: ******",
    "sk-fading-circle sk-folding-cube-animation-element risk-management-2024-handbook-v2 task-1234567890123456789",
    "https://user:password@example.com, ftp://${USER}:${PASS}@host, http://user:%s@host, http://[::1]:8080/@scope",
    'if key.startswith("-----BEGIN PRIVATE KEY-----") and not key.endswith("-----END PRIVATE KEY-----"): raise',
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 user; ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq host",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJ=",
    "const token = await getAccessTokenFromServer123(); public_key_path=/etc/ssl/certs/ca-certs-2024.crt",
    "git@github.com:user/repo.git, npm i react@18.2.0 @types/node@20.1.0, icon@2x.png, @anna and @bo.berg",
    "y = x@w.T + b; z = a@b.transpose(); loss = q@k.to(device); m@n.mT; def f(): @app.route('/x')",
    "@user@mastodon.social wrote to https://user@host.com/path and https://x.com/@someone.de",
    "twitter handle @example.com, price 5@10.50, user@localhost, root@server1:~#",
    "0.4539578763621486, 4539578763621486.5, x4539578763621486, 4539 5787 6362 1487, 1234 5678 9012 3456",
    "f(200) 300-4000, range(415) 555-26710, a[555]-123-4567, 555-123-45678, 5555-123-4567, 415-555-2671-1",
    # other writing systems, emoji, right-to-left
    "Bestellnummer order\u00a04111\u00a01111\u00a01111\u00a01111, 100\u00a0000\u00a0000, 12\u202f345\u202f678\u00a0€",
    "order" + "4111111111111111、合計12345678円、2023-01-15".translate(WIDE),
    "フォロー @例え.jp、y = x@重み.T、root@例え、価格は5@10.50",
    "@anna.de、5@10.50".translate(WIDE),
    "二〇二三年一月十五日、合計１２３４５６７円、第1234567号、価格は1,234,567円です。",
    "مرحبا ١٢٣٤٥٦٧٨٩٠ في عام 2023، السعر 1234567 ريال",
    "נולד ב-15.01.1990, מספר הזמנה 1234567890, מחיר ₪1,234,567",
    "สวัสดี ปี 2566 ราคา 1234567 บาท, आदेश संख्या 1234567890, 주문번호 1234567890123",
    "👩‍👩‍👧‍👦 2023 🏴󠁧󠁢󠁥󠁮󠁧󠁿 0️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣8️⃣ 🇩🇪",
]


@pytest.mark.parametrize(("kind", "text", "masked"), MASKED)
def test_finds_and_masks(kind: str, text: str, masked: str) -> None:
    assert kind in personal_kinds(text)
    assert mask(text, (kind,)) == masked


@pytest.mark.parametrize("text", IN_PEACE)
def test_leaves_in_peace(text: str) -> None:
    assert mask(text, KINDS) == text
    assert personal_kinds(text) == frozenset()


def test_a_kind_that_was_not_asked_for_stays() -> None:
    text = "anna@example.com, +44 20 7946 0958"
    assert mask(text, (PHONES,)) == "anna@example.com, [phone]"
    assert mask(text, ()) == text
    assert personal_kinds(text) == {EMAILS, PHONES}


def test_a_card_number_is_no_telephone_number() -> None:
    assert personal_kinds("4111 1111 1111 1111") == {CARDS}


@pytest.mark.parametrize(
    "text", ["1" * 20_000, "+49 30 1234567 " * 2000, "a@a." * 5000, "key=" * 5000, "eyJa1." * 4000]
)
def test_long_repetition_takes_no_time(text: str) -> None:
    """A list of numbers after one another was masked one by one, each with a pass over all of it."""
    mask(text, KINDS)


_PIECES = st.sampled_from(
    [text for _, text, _ in MASKED] + IN_PEACE + list("0123456789 .-+()@/:=\n") + ["[phone]", "tel "]
)


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=8).map("".join) | st.text(), st.sets(st.sampled_from(KINDS)))
def test_masking_again_changes_nothing(text: str, kinds: set[str]) -> None:
    once = mask(text, kinds)
    assert mask(once, kinds) == once
    assert not personal_kinds(mask(text, KINDS))
