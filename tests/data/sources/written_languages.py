# ruff: noqa: E501, RUF001 - the letters of other languages are what is tested.
"""Short texts in many languages, each with the encodings that its files have been kept in."""

TEXTS = {
    "German": (
        "Wo finde ich meine Bestellung?\nSie finden Ihre Bestellung unter „Mein Konto“, dort wird auch die Größe gezeigt.\n"
        "Können Sie mir helfen?\nNatürlich, schreiben Sie uns, wir hören gern von Ihnen.\n"
        "Übrigens ist die Straße am Dienstag für Fußgänger gesperrt.\nDas ist schön.\n"
    ),
    "French": (
        "Où est ma commande ?\nVous trouverez votre commande dans « Mon compte », à côté des réglages.\n"
        "Quand êtes-vous ouverts ?\nDu lundi au samedi, dès neuf heures, même en été.\n"
        "Ça ne marche pas.\nEssayez une autre carte ou appelez votre banque, elle a peut-être été refusée.\n"
    ),
    "Spanish": (
        "¿Dónde está mi pedido?\nEncontrará su pedido en la sección «Mi cuenta», donde también verá la dirección.\n"
        "¿Cuándo abren mañana?\nAbrimos a las nueve, el domingo está cerrado todo el día.\n"
        "El niño comió aquí.\nMuy bien, señor.\n"
    ),
    "Portuguese": (
        "Onde está a minha encomenda?\nPode vê-la na secção A minha conta, onde também aparecem as informações.\n"
        "Não consigo pagar.\nExperimente outro cartão, ou fale com o seu banco amanhã de manhã.\n"
        "À noite não há ninguém.\nObrigado, você é muito simpático.\n"
    ),
    "Italian": (
        "Dov'è il mio ordine?\nLo trova nella sezione «Il mio conto», lì può vedere anche la città di consegna.\n"
        "Perché non posso pagare?\nProvi più tardi, la carta è stata rifiutata.\nÈ così.\nLunedì sarà già pronto.\n"
    ),
    "Dutch": (
        "Waar is mijn bestelling?\nU ziet ze bij Mijn account, ook de reële datum van de levering in België.\n"
        "Eén vraag nog.\nNatuurlijk, de ruïne is elke dag open en de coördinator helpt u graag.\n"
    ),
    "Swedish": (
        "Var är min beställning?\nDu hittar den på Mina sidor, där står också när den är framme.\n"
        "När har ni öppet på lördag?\nÅtta till fyra, på söndag är det stängt hela dagen.\nÄr det så?\nJa, tyvärr.\n"
    ),
    "Danish": (
        "Hvor er min bestilling?\nDen står på Min side, hvor du også kan følge, hvornår den når frem.\n"
        "Hvad gør jeg så?\nPrøv et andet kort, eller spørg din bank på mandag.\nÅben hele året.\nØen er smuk.\n"
    ),
    "Finnish": (
        "Missä tilaukseni on?\nNäet sen kohdasta Oma tili, siellä näkyy myös päivä, jolloin se tulee perille.\n"
        "Milloin olette auki?\nJoka päivä yhdeksästä kuuteen, pyhänä emme ole töissä.\nÄlä odota.\nÖljyä on.\n"
    ),
    "Icelandic": (
        "Hvar er pöntunin mín?\nÞú finnur hana undir Mínar síður, þar sérðu líka hvenær hún kemur.\n"
        "Hvenær er opið á laugardögum?\nFrá níu til fjögur, það er lokað á sunnudögum.\nÉg þakka þér fyrir.\n"
    ),
    "Czech": (
        "Kde najdu svou objednávku?\nNajdete ji v sekci Můj účet, kde vidíte také její stav a přibližný čas doručení.\n"
        "Proč nemůžu zaplatit?\nZkuste prosím jinou kartu, platba mohla být zamítnuta.\nŘíkáte to dobře.\nŽádný problém.\n"
    ),
    "Slovak": (
        "Kde nájdem svoju objednávku?\nNájdete ju v časti Môj účet, kde vidíte aj jej stav a približný čas doručenia.\n"
        "Prečo nemôžem zaplatiť?\nSkúste prosím inú kartu, platba mohla byť zamietnutá.\nĎakujem.\nÚplne dobré, ľúbi sa mi.\n"
    ),
    "Polish": (
        "Gdzie jest moje zamówienie?\nZnajdziesz je w zakładce Moje konto, tam też widać jego stan i czas dostawy.\n"
        "Dlaczego nie mogę zapłacić?\nSpróbuj innej karty, płatność mogła zostać odrzucona.\nŁatwo powiedzieć.\n"
        "Święta są w środę, źle się składa.\n"
    ),
    "Hungarian": (
        "Hol van a rendelésem?\nA Fiókom oldalon találja, ott látható az állapota és a várható időpont is.\n"
        "Miért nem tudok fizetni?\nPróbáljon másik kártyát, a fizetést lehet, hogy elutasították.\nŐszintén köszönöm.\nGyűlés lesz.\n"
    ),
    "Romanian": (
        "Unde este comanda mea?\nComanda dumneavoastră se află în secţiunea Contul meu, unde puteţi vedea şi starea ei.\n"
        "Când deschideţi?\nÎn fiecare zi la ora nouă, sâmbătă este închis.\nŞtiţi bine.\nMulţumesc.\n"
    ),
    "Croatian": (
        "Gdje je moja narudžba?\nPronaći ćete je u odjeljku Moj račun, gdje se vidi i vrijeme dostave.\n"
        "Zašto ne mogu platiti?\nPokušajte drugom karticom, plaćanje je možda odbijeno.\nČekamo vas.\nŠto đak kaže.\n"
    ),
    "Slovene": (
        "Kje je moje naročilo?\nNajdete ga v razdelku Moj račun, kjer je viden tudi čas dostave.\n"
        "Zakaj ne morem plačati?\nPoskusite z drugo kartico, plačilo je bilo morda zavrnjeno.\nŽal mi je.\nČakamo.\n"
    ),
    "Turkish": (
        "Siparişim nerede?\nSiparişinizi Hesabım bölümünde bulabilir, teslimat gününü de görebilirsiniz.\n"
        "Neden ödeme yapamıyorum?\nLütfen başka bir kart deneyin, ödemeniz reddedilmiş olabilir.\nİyi günler.\nÇok güzel, sağ olun.\n"
    ),
    "Lithuanian": (
        "Kur yra mano užsakymas?\nJūsų užsakymą rasite skiltyje Mano paskyra, kur matyti ir jo būsena.\n"
        "Kaip grąžinti prekę?\nPrekę galite grąžinti per keturiolika dienų, užpildę formą mūsų svetainėje.\nŠiandien šilta.\n"
    ),
    "Latvian": (
        "Kur ir mans pasūtījums?\nTo atradīsiet sadaļā Mans konts, kur redzams arī piegādes laiks.\n"
        "Kāpēc nevaru samaksāt?\nLūdzu, mēģiniet ar citu karti, maksājums, iespējams, noraidīts.\nŠodien ir silts.\nĀrā ķēve.\n"
    ),
    "Estonian": (
        "Kus mu tellimus on?\nLeiate selle lehelt Minu konto, seal näete ka, millal see kätte jõuab.\n"
        "Miks ma ei saa maksta?\nProovige palun teist kaarti, makse võidi tagasi lükata.\nÜks küsimus.\nÕues on öö.\n"
    ),
    "Russian": (
        "Где мой заказ?\nВаш заказ можно найти в разделе «Мой счёт», там же видно, когда его привезут.\n"
        "Почему я не могу заплатить?\nПопробуйте другую карту, возможно, банк отклонил платёж.\nЭто хорошо.\nЯ вас понял, объясните ещё.\n"
    ),
    "Ukrainian": (
        "Де моє замовлення?\nВаше замовлення можна знайти в розділі Мій рахунок, там видно, коли його привезуть.\n"
        "Чому я не можу заплатити?\nСпробуйте іншу картку, можливо, банк відхилив платіж.\nЇжа готова.\nЯкщо є час.\n"
    ),
    "Bulgarian": (
        "Къде е поръчката ми?\nЩе намерите поръчката си в раздел Моят профил, там се вижда и кога ще пристигне.\n"
        "Защо не мога да платя?\nОпитайте с друга карта, възможно е банката да е отказала.\nЯсно.\nБлагодаря ви.\n"
    ),
    "Serbian": (
        "Где је моја поруџбина?\nПоруџбину ћете наћи у одељку Мој налог, где се види и време доставе.\n"
        "Зашто не могу да платим?\nПокушајте другом картицом, плаћање је можда одбијено.\nЈасно.\nЂак чита књигу.\n"
    ),
    "Belarusian": (
        "Дзе мой заказ?\nВаш заказ можна знайсці ў раздзеле Мой рахунак, там бачна, калі яго прывязуць.\n"
        "Чаму я не магу заплаціць?\nПаспрабуйце іншую картку, магчыма, банк адхіліў плацёж.\nЎсё добра.\nЯсна, дзякуй.\n"
    ),
    "Greek": (
        "Πού είναι η παραγγελία μου;\nΘα τη βρείτε στην ενότητα Ο λογαριασμός μου, όπου φαίνεται και η ώρα παράδοσης.\n"
        "Γιατί δεν μπορώ να πληρώσω;\nΔοκιμάστε άλλη κάρτα, ίσως η τράπεζα απέρριψε την πληρωμή.\nΆλλη ερώτηση.\nΈτσι είναι, ευχαριστώ.\n"
    ),
    "Hebrew": (
        "איפה ההזמנה שלי?\nאפשר למצוא את ההזמנה באזור האישי, ושם רואים גם מתי היא תגיע.\n"
        "למה אני לא מצליח לשלם?\nנסו כרטיס אחר, ייתכן שהבנק דחה את התשלום.\nתודה רבה.\n"
    ),
    "Arabic": (
        "أين طلبي؟\nتجد طلبك في قسم حسابي، حيث يظهر أيضا موعد التسليم.\n"
        "لماذا لا أستطيع الدفع؟\nجرب بطاقة أخرى، ربما رفض البنك الدفع.\nشكرا جزيلا لكم.\n"
    ),
    "Thai": (
        "คำสั่งซื้อของฉันอยู่ที่ไหน\nคุณสามารถดูคำสั่งซื้อได้ในหน้าบัญชีของฉัน และดูเวลาจัดส่งได้ด้วย\n"
        "ทำไมจ่ายเงินไม่ได้\nกรุณาลองบัตรอื่น ธนาคารอาจปฏิเสธการชำระเงิน\n"
    ),
    "Japanese": (
        "注文した商品はどこですか。\nマイページの注文履歴からご確認いただけます。\nなぜ支払いができないのですか。\n別のカードをお試しください。\n"
    ),
    "Chinese": "我的订单在哪里？\n您可以在我的账户里看到订单和送货时间。\n为什么不能付款？\n请换一张卡再试，银行可能拒绝了。\n",
    "Taiwanese": "我的訂單在哪裡？\n您可以在我的帳戶裡看到訂單和送貨時間。\n為什麼不能付款？\n請換一張卡再試，銀行可能拒絕了。\n",
    "Korean": "제 주문은 어디에 있나요?\n내 계정에서 주문과 배송 시간을 확인하실 수 있습니다.\n왜 결제가 안 되나요?\n다른 카드로 다시 시도해 주세요.\n",
}
_WESTERN = ("cp1252", "iso8859_15", "mac_roman", "cp850")
_CENTRAL = ("cp1250", "iso8859_2", "mac_latin2", "cp852")
_CYRILLIC = ("cp1251", "mac_cyrillic", "iso8859_5")
ENCODINGS = {
    **dict.fromkeys(("German", "French", "Spanish", "Italian", "Swedish", "Finnish", "Dutch"), (*_WESTERN, "cp437")),
    "Portuguese": (*_WESTERN, "cp860"),
    "Danish": (*_WESTERN, "cp865"),
    "Icelandic": (*_WESTERN[:2], "mac_iceland", "cp850", "cp861"),
    **dict.fromkeys(("Czech", "Slovak", "Polish", "Hungarian", "Croatian", "Slovene"), _CENTRAL),
    "Romanian": ("cp1250", "iso8859_2", "cp852", "mac_romanian"),
    "Turkish": ("cp1254", "iso8859_9", "mac_turkish", "cp857"),
    **dict.fromkeys(("Lithuanian", "Latvian"), ("cp1257", "iso8859_13", "cp775")),
    "Estonian": ("cp1257", "cp1252", "iso8859_15", "iso8859_13", "cp775"),
    "Russian": (*_CYRILLIC, "koi8_r", "cp866", "cp855"),
    "Ukrainian": (*_CYRILLIC, "koi8_u", "cp1125"),
    "Bulgarian": (*_CYRILLIC, "koi8_r", "cp866", "cp855"),
    "Serbian": (*_CYRILLIC, "cp855"),
    "Belarusian": (*_CYRILLIC, "cp866"),
    "Greek": ("cp1253", "iso8859_7", "mac_greek", "cp737", "cp869"),
    "Hebrew": ("cp1255", "iso8859_8", "cp862"),
    "Arabic": ("cp1256", "iso8859_6", "cp720", "cp864"),
    "Thai": ("cp874", "tis_620"),
    "Japanese": ("cp932", "euc_jp"),
    "Chinese": ("gb18030", "gbk"),
    "Taiwanese": ("big5hkscs", "big5", "gb18030"),
    "Korean": ("cp949", "euc_kr", "johab"),
}
