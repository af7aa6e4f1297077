//! Opaque secrets: 256 random bits, shown once, kept only as their SHA-256. There is nothing to guess in them, so
//! nothing needs slowing down the way a password's hash does.

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

const SECRET_BYTES: usize = 32;

/// A new secret, as 64 hexadecimal digits.
pub fn generate() -> SecretString {
    let bytes: [u8; SECRET_BYTES] = rand::random();
    HEXLOWER.encode(&bytes).into()
}

/// What is kept of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHash(Vec<u8>);

impl SecretHash {
    /// The hash of a secret's text.
    pub fn of(secret: &SecretString) -> Self {
        Self(Sha256::digest(secret.expose_secret().as_bytes()).to_vec())
    }

    /// The bytes to keep.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether a kept hash is this one, in a time that tells nothing of where they differ.
    pub fn ct_matches(&self, kept: &[u8]) -> Choice {
        self.0.as_slice().ct_eq(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::{SecretHash, generate};
    use secrecy::ExposeSecret;

    #[test]
    fn secrets_are_64_hexadecimal_digits_and_differ() {
        let (one, other) = (generate(), generate());
        assert_eq!(one.expose_secret().len(), 64);
        assert!(one.expose_secret().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one.expose_secret(), other.expose_secret());
    }

    #[test]
    fn only_the_hash_of_the_same_secret_matches() {
        let (one, other) = (SecretHash::of(&generate()), SecretHash::of(&generate()));
        assert!(bool::from(one.ct_matches(one.as_bytes())));
        assert!(!bool::from(one.ct_matches(other.as_bytes())));
        assert!(!bool::from(one.ct_matches(&[])));
    }
}
