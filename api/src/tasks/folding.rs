//! Text as it is searched: without case and accents. Done here and not in the database, so that it does not depend on
//! the database's locale, and the same rule meets what is stored and what is looked for.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// `text` in lower case, its letters without accents.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let letters = text.nfkd().filter(|letter| !is_accent(*letter));
    for letter in letters.flat_map(char::to_lowercase).filter(|letter| !is_accent(*letter)) {
        match whole_letters(letter) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(letter),
        }
    }
    // Together again what the decomposition has taken apart: the letters of a Korean syllable, a voiced kana.
    folded.nfc().collect()
}

/// Whether there is something to look for: more than marks without a letter.
pub fn has_letters(text: &str) -> bool {
    text.nfkd().any(|letter| !is_combining_mark(letter))
}

/// A mark that is written above or below a letter and leaves it the same letter: accents (classes of 200 and more), the
/// vowel points of Hebrew and Arabic (10 to 35). Not what makes another letter of it: the voicing of kana (8), the dot of
/// Indic letters (7), their vowel signs (0), the tones of Thai (107).
fn is_accent(letter: char) -> bool {
    matches!(canonical_combining_class(letter), 10..=35 | 200..)
}

/// Letters with a stroke or joined ones: to Unicode they are letters of their own, to who types a search they are not.
fn whole_letters(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{fold, has_letters};

    #[test]
    fn case_and_accents_make_no_difference() {
        for (one, other) in [
            ("Calibração", "CALIBRACAO"),
            ("Cre\u{301}me bru\u{302}lée", "crème BRÛLÉE"),
            ("Straße", "STRASSE"),
            ("Łódź", "lodz"),
            ("Smørrebrød", "smorrebrod"),
            ("ΑΘΉΝΑ", "αθηνα"),
            ("İstanbul", "istanbul"),
            ("ﬁlter ２", "filter 2"),
            ("ΟΔΟΣ", "οδός"),
            ("Ёлка", "елка"),
            ("שָׁלוֹם", "שלום"),
            ("مُحَمَّد", "محمد"),
            ("ｶﾞｽ", "ガス"),
            ("\u{1100}\u{1161}", "가"),
        ] {
            assert_eq!(fold(one), fold(other), "{one}");
        }
    }

    #[test]
    fn a_mark_that_makes_another_letter_is_no_accent() {
        for (one, other) in
            [("ガス", "カス"), ("パス", "ハス"), ("काम", "कम"), ("ज़", "ज"), ("각", "가"), ("ไม้", "ไม"), ("কি", "ক")]
        {
            assert_ne!(fold(one), fold(other), "{one}");
        }
        assert!(!fold("각").contains(&fold("가")));
    }

    #[test]
    fn marks_alone_are_nothing_to_look_for() {
        for marks in ["\u{301}", "\u{3099}", "\u{93e}\u{301}", ""] {
            assert!(!has_letters(marks), "{marks:?}");
        }
        assert!(has_letters("a\u{301}") && has_letters("%"));
    }

    #[test]
    fn what_differs_in_more_stays_different() {
        assert_ne!(fold("pump"), fold("bump"));
        assert_eq!(fold("100%_\\ 水"), "100%_\\ 水");
    }

    #[test]
    fn folding_again_changes_nothing() {
        for text in ["Ça va? ÀÉÎÕÜ", "İI ıi", "ǅ Ǆ", "ガス 각 काम", "ᾳ ΐ ẛ̣"] {
            assert_eq!(fold(&fold(text)), fold(text), "{text}");
        }
    }
}
