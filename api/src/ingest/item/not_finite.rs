//! Numbers that are none: `NaN`, `inf` and `Infinity` as firmware prints them, bare, which is no JSON.

/// What C, C++, Arduino, Python and JavaScript print, in any case and with any sign.
const WORDS: [&[u8]; 4] = [b"nan", b"inf", b"infinity", b"ovf"];

/// Whether a program prints this instead of a number.
pub fn is_not_finite(word: &[u8]) -> bool {
    let unsigned = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+")).unwrap_or(word);
    WORDS.iter().any(|known| unsigned.eq_ignore_ascii_case(known))
}

/// A text in which each bare word of these, where a value stands, is a string: then it is JSON, and the word a fault of its
/// field alone. `None` where there is none. One pass, whatever it holds.
pub fn quoted(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut quoted = Vec::new();
    let (mut copied, mut position) = (0, 0);
    while let Some(rest) = bytes.get(position..).filter(|rest| !rest.is_empty()) {
        let length = token_length(rest);
        let (token, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        if is_not_finite(token) && ends_a_value(behind) {
            quoted.extend_from_slice(bytes.get(copied..position).unwrap_or_default());
            quoted.push(b'"');
            quoted.extend_from_slice(token);
            quoted.push(b'"');
            copied = position.saturating_add(length);
        }
        position = position.saturating_add(length);
    }
    (copied > 0).then(|| {
        quoted.extend_from_slice(bytes.get(copied..).unwrap_or_default());
        quoted
    })
}

/// How long what begins here is: a string, a word or a number, or one byte.
fn token_length(rest: &[u8]) -> usize {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte) || !byte.is_ascii();
    match rest.first() {
        Some(b'"') => string_length(rest),
        Some(&byte) if is_word(byte) => rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len()),
        _ => 1,
    }
}

/// With both its quotes, or up to the end where it has but one.
fn string_length(rest: &[u8]) -> usize {
    let mut bytes = rest.iter().enumerate().skip(1);
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => return index.saturating_add(1),
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    rest.len()
}

/// Whether it is no name of a field: a colon would follow.
fn ends_a_value(behind: &[u8]) -> bool {
    matches!(behind.trim_ascii_start().first(), Some(b',' | b']' | b'}'))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    fn text(bytes: &str) -> Option<String> {
        quoted(bytes.as_bytes()).map(|quoted| String::from_utf8(quoted).unwrap())
    }

    #[test]
    fn bare_words_become_strings() {
        assert_eq!(text(r#"{"a":NaN}"#).as_deref(), Some(r#"{"a":"NaN"}"#));
        assert_eq!(
            text("[nan, -Infinity ,+Inf\n,\t-NAN,\"é\",INFINITY,ovf]").as_deref(),
            Some("[\"nan\", \"-Infinity\" ,\"+Inf\"\n,\t\"-NAN\",\"é\",\"INFINITY\",\"ovf\"]")
        );
        let many = format!("[{}1]", "NaN,".repeat(100_000));
        assert_eq!(text(&many).unwrap(), format!("[{}1]", "\"NaN\",".repeat(100_000)));
    }

    #[test]
    fn everything_else_stays() {
        for body in [
            "",
            "NaN",
            r#"{"a":"NaN"}"#,
            r#"{"a":"x\",NaN,\"y"}"#,
            r#"{"a":"\\","b":"NaN]"}"#,
            "{NaN:1}",
            "{NaN : 1}",
            "[NaN NaNo]",
            "[1NaN]",
            "[NaN1]",
            "[--NaN]",
            "[Nano]",
            "[éNaN]",
            "[nan(ind)]",
            "[none, undefined, null, true]",
            "[\"NaN,",
            "[\"NaN\\",
        ] {
            assert_eq!(text(body), None, "{body}");
        }
        // What else is wrong stays wrong.
        assert_eq!(text("[NaN,]").as_deref(), Some("[\"NaN\",]"));
        assert_eq!(text("[NaN NaN]").as_deref(), Some("[NaN \"NaN\"]"));
    }
}
