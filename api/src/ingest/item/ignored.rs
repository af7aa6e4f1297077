//! Names in a request that were not understood: nothing is dropped without a word.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::de::{IgnoredAny, MapAccess};

/// Most names that an item keeps and an answer lists.
const MAX_NAMES: usize = 100;

/// Longest part of a name that an answer repeats, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Names of an object that mean nothing in it.
#[derive(Debug, Default, PartialEq)]
pub struct UnknownNames<'a>(Vec<Cow<'a, str>>);

impl<'a> UnknownNames<'a> {
    pub fn add(&mut self, name: Cow<'a, str>) {
        if self.0.len() < MAX_NAMES {
            self.0.push(name);
        }
    }

    /// Takes the field of this name, unless it is null, which is the same as no field.
    pub fn take<A: MapAccess<'a>>(&mut self, name: Cow<'a, str>, fields: &mut A) -> Result<(), A::Error> {
        if fields.next_value::<Option<IgnoredAny>>()?.is_some() {
            self.add(name);
        }
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// What a request's answer says was ignored, each name once.
#[derive(Debug, Default)]
pub struct IgnoredNames(BTreeSet<String>);

impl IgnoredNames {
    /// Adds a name behind the object it is in: `values/` and `unit` as `values.unit`.
    pub fn add(&mut self, object: &str, name: &str) {
        if self.0.len() < MAX_NAMES {
            self.0.insert(format!("{}{}", object.replace('/', "."), head(name)));
        }
    }

    pub fn extend(&mut self, other: Self) {
        for name in other.0 {
            if self.0.len() < MAX_NAMES {
                self.0.insert(name);
            }
        }
    }

    /// In alphabetical order.
    pub fn into_vec(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}

/// As much of a name as is repeated.
pub fn head(name: &str) -> &str {
    name.char_indices().nth(MAX_NAME_CHARS).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::IgnoredNames;

    #[test]
    fn names_are_listed_once_in_brief_and_up_to_a_bound() {
        let mut names = IgnoredNames::default();
        for name in ["unit", "a/b", "unit", "ü".repeat(1_000).as_str()] {
            names.add("values/", name);
        }
        names.add("", "note");
        let long = format!("values.{}", "ü".repeat(64));
        let mut others = IgnoredNames::default();
        (0..1_000).for_each(|n| others.add("", &format!("x{n:03}")));
        names.extend(others);
        let names = names.into_vec();
        assert_eq!(names.len(), 100);
        assert_eq!(&names[..4], ["note", "values.a/b", "values.unit", long.as_str()]);
    }
}
