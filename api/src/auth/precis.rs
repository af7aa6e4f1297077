//! Names and passwords as RFC 8265 has them prepared and compared: `UsernameCaseMapped` and `OpaqueString`.
//!
//! Three departures. A text is composed before its characters are judged: decomposed Hangul, as Apple's systems send it,
//! would be refused otherwise. The crate classifies characters by Unicode 6.3, as the RFC's registry does: a letter or an emoji that
//! came later is allowed here where today's Unicode calls it a letter or a digit (in a password: in any case). And a
//! capital sigma at a word's end is compared as Unicode lowers it.

use precis_profiles::precis_core::profile::Rules;
use precis_profiles::precis_core::{DerivedPropertyValue, Error, FreeformClass, IdentifierClass, StringClass};
use precis_profiles::{OpaqueString, UsernameCaseMapped};

/// Why a text is refused; `Display` is what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrecisError {
    /// An invisible or bidirectional control character, a symbol in a name, or one whose neighbours it may not have.
    #[error(
        "must not contain the character U+{0:04X}: it is invisible, or no letter, digit or sign for this (RFC 8265)"
    )]
    Character(u32),
    /// Right-to-left and left-to-right in an order that readers cannot tell apart.
    #[error("must not mix right-to-left and left-to-right writing (RFC 5893)")]
    Direction,
}

impl From<Error> for PrecisError {
    fn from(error: Error) -> Self {
        use precis_profiles::precis_core::UnexpectedError::{ContextRuleNotApplicable, MissingContextRule};
        match error {
            Error::BadCodepoint(info)
            | Error::Unexpected(ContextRuleNotApplicable(info) | MissingContextRule(info)) => Self::Character(info.cp),
            Error::Invalid | Error::Unexpected(_) => Self::Direction,
        }
    }
}

/// A name as it is shown, and as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Full-width forms narrowed, composed; its case as it was typed.
    pub shown: String,
    /// In lower case as well: two names with the same key are one name.
    pub key: String,
}

/// A user name: parts of `UsernameCaseMapped`, with a space between two (RFC 8265, 3.5).
pub fn username(text: &str) -> Result<Mapped, PrecisError> {
    join(text.split_whitespace().map(part), ' ')
}

/// An e-mail address, whose atoms and labels are parts of `UsernameCaseMapped`.
pub fn address(text: &str) -> Result<Mapped, PrecisError> {
    let address = narrow(text)?;
    join(address.split('@').map(|half| join(half.split('.').map(part), '.')), '@')
}

/// The key of what is typed into a sign-in form; nothing where no account can have that name but one of before.
pub fn login_key(typed: &str) -> Option<String> {
    let is_address = narrow(typed).is_ok_and(|text| text.contains('@'));
    let mapped = if is_address { address(typed) } else { username(typed) };
    mapped.ok().map(|mapped| mapped.key)
}

/// One part of a name.
fn part(text: &str) -> Result<Mapped, PrecisError> {
    let profile = UsernameCaseMapped::new();
    let shown = narrow(text)?;
    check(&IdentifierClass::default(), &shown, char::is_alphanumeric)?;
    let key = profile.normalization_rule(shown.to_lowercase())?;
    let key = profile.directionality_rule(key)?.into_owned();
    Ok(Mapped { shown, key })
}

/// Parts with `separator` between them.
fn join(parts: impl Iterator<Item = Result<Mapped, PrecisError>>, separator: char) -> Result<Mapped, PrecisError> {
    let mut joined: Option<Mapped> = None;
    for part in parts {
        let part = part?;
        match &mut joined {
            None => joined = Some(part),
            Some(before) => {
                for (before, part) in [(&mut before.shown, part.shown), (&mut before.key, part.key)] {
                    before.push(separator);
                    before.push_str(&part);
                }
            }
        }
    }
    Ok(joined.unwrap_or(Mapped { shown: String::new(), key: String::new() }))
}

/// Full-width and half-width forms as ordinary ones, composed.
pub fn narrow(text: &str) -> Result<String, PrecisError> {
    let profile = UsernameCaseMapped::new();
    let narrow = profile.width_mapping_rule(text)?;
    Ok(profile.normalization_rule(narrow)?.into_owned())
}

/// A password as it is hashed: composed, with every space an ordinary one.
pub fn password(text: &str) -> Result<String, PrecisError> {
    let profile = OpaqueString::new();
    let spaced = profile.additional_mapping_rule(text)?;
    let composed = profile.normalization_rule(spaced)?.into_owned();
    check(&FreeformClass::default(), &composed, |_| true)?;
    Ok(composed)
}

/// Whether the class allows the text; what its version of Unicode does not know is `is_new_allowed`'s question.
fn check(class: &impl StringClass, text: &str, is_new_allowed: fn(char) -> bool) -> Result<(), PrecisError> {
    let is_new = |c: char| class.get_value_from_char(c) == DerivedPropertyValue::Unassigned;
    if let Some(c) = text.chars().find(|c| is_new(*c) && !is_new_allowed(*c)) {
        return Err(PrecisError::Character(c.into()));
    }
    if text.chars().any(is_new) {
        let known: String = text.chars().filter(|c| !is_new(*c)).collect();
        return Ok(class.allows(known)?);
    }
    Ok(class.allows(text)?)
}

#[cfg(test)]
mod tests {
    use super::{PrecisError, login_key, password, username};

    fn key(text: &str) -> String {
        username(text).unwrap().key
    }

    #[test]
    fn one_name_has_one_key_however_it_is_typed() {
        for (one, other) in [
            ("José", "Jose\u{301}"),
            ("JOSÉ", "jose\u{301}"),
            ("ａｎａ", "ANA"),
            ("カタ", "ｶﾀ"),
            ("ガ", "ｶﾞ"),
            ("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
            ("ΟΔΟΣ", "οδος"),
            ("Ana  Lima", "ana\u{a0}lima"),
            ("\u{212b}ngström", "ångström"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        for (one, other) in [("ana", "аna"), ("ana", "anã"), ("ı", "i"), ("ana lima", "analima")] {
            assert_ne!(key(one), key(other), "{one} {other}");
        }
        assert_eq!(username("Jose\u{301}  Ｄíaz").unwrap().shown, "José Díaz");
    }

    #[test]
    fn a_sign_in_form_takes_either_name_however_it_is_typed() {
        for (typed, key) in [
            ("José", Some("josé")),
            ("JOSE\u{301}@Exámple.com", Some("josé@exámple.com")),
            ("Ａna＠example.com", Some("ana@example.com")),
            ("pay\u{200b}pal", None),
        ] {
            assert_eq!(login_key(typed).as_deref(), key, "{typed:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_or_turns_the_line_around_is_no_name() {
        for (text, character) in [
            ("pay\u{200b}pal", 0x200b),
            ("\u{202e}yap", 0x202e),
            ("a\u{2066}b", 0x2066),
            ("a\u{200d}b", 0x200d),
            ("a\u{ad}b", 0xad),
            ("a\u{feff}", 0xfeff),
            ("a\u{fe0f}", 0xfe0f),
            ("a\u{e0001}", 0xe0001),
            ("a\u{3164}", 0x3164),
            ("♥", 0x2665),
            ("🦀", 0x1f980),
            ("ﬁ", 0xfb01),
        ] {
            assert_eq!(username(text), Err(PrecisError::Character(character)), "{text:?}");
        }
        assert_eq!(username("אabc"), Err(PrecisError::Direction));
        for text in ["אבג", "عربي", "हिन्दी", "ไทย", "中文", "o'neil", "a.b-c_d@e", "𞤀𞤣𞤤𞤢𞤥", "क्\u{200d}ष"]
        {
            assert!(username(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_password_is_the_same_on_every_keyboard() {
        assert_eq!(password("pa\u{df}w\u{f6}rt").unwrap(), password("pa\u{df}wo\u{308}rt").unwrap());
        assert_eq!(password("two\u{a0}words").unwrap(), "two words");
        assert_eq!(password("two\u{3000}words").unwrap(), "two words");
        // Case and width are part of a password.
        assert_eq!(password("Ａa").unwrap(), "Ａa");
        assert_eq!(password("🦀🤌 ♥ ﬁ").unwrap(), "🦀🤌 ♥ ﬁ");
        for hidden in ["pass\u{200b}word", "\u{202e}password", "pass\u{ad}word", "tab\tword"] {
            assert!(password(hidden).is_err(), "{hidden:?}");
        }
    }
}
