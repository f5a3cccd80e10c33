//! How many tokens a text takes, estimated from above.
//!
//! Every model cuts text its own way, and a budget that is passed costs an agent what it was about to read. So this
//! counts rather too much: by kinds of characters, as byte-pair encodings treat them. A word of letters of a known
//! alphabet is cut into few parts if it can be pronounced and into many if it cannot, digits go by threes at best, and
//! what is rare is worth its bytes, of which no encoding makes more tokens than there are. Measured against `o200k`
//! English prose takes about half of what is counted here, which leaves room for encodings that cut finer.

/// The most tokens that a text takes.
pub(crate) fn estimate(text: &str) -> usize {
    let mut chars = text.chars().peekable();
    let (mut tokens, mut word) = (0, String::new());
    while let Some(c) = chars.next() {
        word.clear();
        word.push(c);
        let kind = Kind::of(c);
        while let Some(next) = chars.next_if(|next| Kind::of(*next) == kind && kind.is_run()) {
            word.push(next);
        }
        tokens += match kind {
            Kind::Letters => letters(&word),
            Kind::Digits => word.len().div_ceil(2),
            // A single space goes along with the word behind it.
            Kind::Space if word.len() == 1 && chars.peek().is_some_and(char::is_ascii_alphabetic) => 0,
            Kind::Space => word.len(),
            Kind::Other(tokens) => tokens,
        };
    }
    tokens
}

/// Words that are everywhere, and one token everywhere.
const COMMON: [&str; 48] = [
    "the", "and", "for", "are", "was", "not", "you", "all", "can", "has", "one", "our", "out", "use", "now", "how",
    "who", "its", "new", "that", "with", "this", "from", "have", "they", "will", "when", "what", "your", "which",
    "there", "their", "about", "other", "after", "before", "where", "by", "ago", "domain", "project", "data", "name",
    "file", "line", "only", "into", "then",
];

/// How a character is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letters,
    Digits,
    Space,
    /// By itself, so many tokens.
    Other(usize),
}

impl Kind {
    const fn is_run(self) -> bool {
        matches!(self, Self::Letters | Self::Digits | Self::Space)
    }

    const fn of(c: char) -> Self {
        match c {
            'a'..='z' | 'A'..='Z' => Self::Letters,
            '0'..='9' => Self::Digits,
            ' ' => Self::Space,
            // Letters that have a token each: of accented Latin, Greek, Cyrillic, Hebrew and Arabic.
            '\u{DF}'..='\u{F6}' | '\u{F8}'..='\u{FC}' | '\u{3B1}'..='\u{3C9}' => Self::Other(1),
            '\u{410}'..='\u{44F}' | '\u{451}' | '\u{5D0}'..='\u{5EA}' | '\u{62A}'..='\u{64A}' => Self::Other(1),
            _ => Self::Other(c.len_utf8()),
        }
    }
}

/// Tokens of a run of ASCII letters: a third of the letters where they sound like a word, else nearly all of them.
fn letters(word: &str) -> usize {
    if COMMON.contains(&word) {
        return 1;
    }
    let rest = word.get(1..).unwrap_or_default();
    if rest.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return word.len();
    }
    let (mut run, mut longest, mut vowels) = (0, 0, 0);
    let mut last = None;
    for byte in word.bytes() {
        let vowel = matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
        vowels += usize::from(vowel);
        run = if last == Some(vowel) { run + 1 } else { 1 };
        longest = longest.max(run);
        last = Some(vowel);
    }
    // Three to eight of ten letters are consonants, and never many in a row.
    let sounds = word.len() < 3 || (longest <= 3 && vowels * 5 >= word.len() && vowels * 10 <= word.len() * 7);
    if sounds { 1 + word.len() / 3 } else { word.len().div_ceil(2) + 1 }
}

/// Texts of all kinds, to count.
#[cfg(test)]
pub(crate) mod samples {
    /// Numbers that look random and are the same every time.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, most: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap() % most
        }

        fn word(&mut self, letters: &str, len: usize) -> String {
            let letters: Vec<char> = letters.chars().collect();
            (0..len).map(|_| letters[self.below(letters.len())]).collect()
        }

        fn words(&mut self, count: usize, mut word: impl FnMut(&mut Self) -> String) -> String {
            (0..count).map(|_| word(self)).collect::<Vec<_>>().join(" ")
        }

        /// A character from a range of code points.
        fn of_range(&mut self, from: u32, to: u32) -> char {
            let span = usize::try_from(to - from).unwrap() + 1;
            let code = from + u32::try_from(self.below(span)).unwrap();
            char::from_u32(code).unwrap_or('x')
        }

        fn range(&mut self, from: u32, to: u32, count: usize) -> String {
            (0..count).map(|_| self.of_range(from, to)).collect()
        }
    }

    const CONSONANTS: &str = "bcdfghjklmnpqrstvwxz";
    const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
    const MIXED: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    /// Kinds of texts by name.
    pub(crate) fn all() -> Vec<(&'static str, String)> {
        of(7)
    }

    /// As [`all`], with other nonsense for every seed.
    pub(crate) fn of(seed: u64) -> Vec<(&'static str, String)> {
        let dice = &mut Dice(seed);
        let syllable = |dice: &mut Dice| format!("{}{}", dice.word(CONSONANTS, 1), dice.word("aeiou", 1));
        let spoken = |dice: &mut Dice| (0..3).map(|_| syllable(dice)).collect::<String>();
        let prose = "We deploy on Tuesdays after the pipeline is green. The staging database listens at port 5433, and \
            whoever changes its schema tells the others first, because migrations lock the orders table for minutes.";
        let code = "fn main() -> Result<(), Box<dyn Error>> {\n    let map: HashMap<String, Vec<u8>> = HashMap::new();\n\
            \tif x != 0 && y <= 0xFF { println!(\"{:?}\", map.get(&key)?); }\n}\n";
        let json = r#"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","tags":["a","b"],"at":"2026-11-22T02:34:22.123Z","ok":true}"#;
        let markdown =
            "# Title\n\n- [ ] **bold** _it_ `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quote --- … ✓ → ★\n";
        vec![
            ("english", prose.to_owned()),
            ("code", code.to_owned()),
            ("json", json.to_owned()),
            ("markdown", markdown.to_owned()),
            ("german", "Die Datenbank hört auf Port 5433; Größenänderungen bespricht man vorher überall.".to_owned()),
            ("french", "L'équipe déploie le mardi, après que la chaîne d'intégration a été vérifiée.".to_owned()),
            ("spanish", "El equipo despliega los martes, después de que la cañería esté en verde, ¿no?".to_owned()),
            ("polish", "Zażółć gęślą jaźń; baza danych słucha na porcie 5433.".to_owned()),
            ("russian", "База данных слушает порт 5433; схему меняют только после объявления.".to_owned()),
            ("greek", "Η βάση δεδομένων ακούει στη θύρα 5433 κάθε Τρίτη.".to_owned()),
            ("hebrew", "מסד הנתונים מאזין בפורט 5433 בכל יום שלישי".to_owned()),
            ("arabic", "قاعدة البيانات تستمع على المنفذ 5433 كل يوم ثلاثاء".to_owned()),
            ("hindi", "डेटाबेस पोर्ट 5433 पर सुनता है और मंगलवार को बदलता है".to_owned()),
            ("thai", "ฐานข้อมูลฟังที่พอร์ต 5433 ทุกวันอังคาร".to_owned()),
            ("chinese", "数据库监听端口五四三三，更改模式之前请先通知其他人。部署在星期二进行。".to_owned()),
            ("japanese", "データベースはポート5433で待ち受けます。スキーマを変える前に知らせてください。".to_owned()),
            ("korean", "데이터베이스는 포트 5433에서 수신합니다. 화요일에 배포합니다.".to_owned()),
            ("emoji", "🚀🔥👩‍👩‍👧‍👦🏳️‍🌈🇩🇪👍🏽 🧑🏿‍🚒✨💾🪪🫠".to_owned()),
            ("spoken nonsense", dice.words(60, spoken)),
            (
                "unspeakable",
                dice.words(60, |dice| {
                    let len = 1 + dice.below(14);
                    dice.word(LOWER, len)
                }),
            ),
            ("consonants", dice.words(40, |dice| dice.word(CONSONANTS, 9))),
            ("base64", dice.word(MIXED, 300)),
            ("upper case", dice.words(30, |dice| dice.word("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 8))),
            ("ulids", dice.words(10, |dice| dice.word("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26))),
            ("hex", dice.words(6, |dice| dice.word("0123456789abcdef", 64))),
            (
                "digits",
                dice.words(20, |dice| {
                    let len = 1 + dice.below(20);
                    dice.word("0123456789", len)
                }),
            ),
            ("punctuation", dice.word("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", 200)),
            ("spaces", dice.word(" \t\n x", 200)),
            ("rare han", dice.range(0x4E00, 0x9FFF, 100)),
            ("rarer han", dice.range(0x20000, 0x2A6DF, 60)),
            ("hangul", dice.range(0xAC00, 0xD7A3, 100)),
            ("kana", dice.range(0x3041, 0x30FE, 100)),
            ("cyrillic nonsense", dice.range(0x400, 0x45F, 100)),
            ("greek nonsense", dice.range(0x391, 0x3C9, 100)),
            ("accents", dice.range(0xC0, 0xFF, 100)),
            ("hebrew nonsense", dice.range(0x5D0, 0x5EA, 100)),
            ("arabic nonsense", dice.range(0x621, 0x64A, 100)),
            ("phonetic", dice.range(0x250, 0x2AF, 80)),
            ("symbols", dice.range(0x2190, 0x2BFF, 80)),
            ("pictures", dice.range(0x1F300, 0x1FAFF, 80)),
            ("combining", (0..60).map(|_| format!("a{}", dice.of_range(0x300, 0x36F))).collect()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use tiktoken_rs::o200k_base;

    use super::*;

    #[test]
    fn no_text_takes_more_tokens_than_estimated() {
        let encoding = o200k_base().unwrap();
        let mut short = Vec::new();
        for (name, text) in (1..=30).flat_map(samples::of) {
            let (counted, estimated) = (encoding.encode_with_special_tokens(&text).len(), estimate(&text));
            if counted > estimated {
                short.push(format!("{name}: {counted} counted, {estimated} estimated"));
            }
        }
        assert!(short.is_empty(), "{short:#?}");
    }

    #[test]
    fn prose_is_not_counted_many_times_over() {
        let encoding = o200k_base().unwrap();
        let (_, prose) = samples::all().remove(0);
        assert!(estimate(&prose) <= 2 * encoding.encode_with_special_tokens(&prose).len() + 10);
        assert_eq!(estimate(""), 0);
    }
}
