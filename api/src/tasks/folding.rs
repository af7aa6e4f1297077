//! Text as it is searched: without case and accents. Done here and not in the database, so that it does not depend on
//! the database's locale, and the same rule meets what is stored and what is looked for.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// `text` in lower case, its letters without accents.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let letters = text.nfkd().filter(|letter| !is_combining_mark(*letter));
    for letter in letters.flat_map(char::to_lowercase).filter(|letter| !is_combining_mark(*letter)) {
        match whole_letters(letter) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(letter),
        }
    }
    folded
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
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::fold;

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
        ] {
            assert_eq!(fold(one), fold(other), "{one}");
        }
    }

    #[test]
    fn what_differs_in_more_stays_different() {
        assert_ne!(fold("pump"), fold("bump"));
        assert_eq!(fold("100%_\\ 水"), "100%_\\ 水");
    }

    #[test]
    fn folding_again_changes_nothing() {
        for text in ["Ça va? ÀÉÎÕÜ", "İI ıi", "ǅ Ǆ"] {
            assert_eq!(fold(&fold(text)), fold(text), "{text}");
        }
    }
}
