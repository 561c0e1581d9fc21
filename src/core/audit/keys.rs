//! Finds age private keys in any file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::{Finder, find_iter};

use crate::core::identity::PRIVATE_KEY_PREFIX;

/// So many characters stand behind the prefix at least: an X25519 identity has 59,
/// and one that is cut short still tells most of itself. What is shorter is an
/// example, as in `AGE-SECRET-KEY-1…`.
const SHORTEST: usize = 40;

/// Looks for the text form of identities, and for their base64, as it stands in the
/// `data` of a Secret.
pub(super) struct KeyFinder {
    plain: Finder<'static>,
    encoded: [Finder<'static>; 3],
}

impl KeyFinder {
    pub(super) fn new() -> Self {
        // Each of the three ways in which the text can lie in base64's groups; without
        // the characters that what is before and behind it has a share in.
        let encoded = [0, 1, 2].map(|before| {
            let text = [&b"\0\0"[..before], PRIVATE_KEY_PREFIX.as_bytes()].concat();
            let text = STANDARD.encode(&text[..text.len() / 3 * 3]);
            let shared = [0, 2, 3][before];
            Finder::new(&text.as_bytes()[shared..]).into_owned()
        });
        Self {
            plain: Finder::new(PRIVATE_KEY_PREFIX).into_owned(),
            encoded,
        }
    }

    /// The line of the first private key, from 1.
    pub(super) fn line_of_key(&self, bytes: &[u8]) -> Option<u64> {
        let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        let plain = self.plain.find_iter(bytes).find(|at| {
            let rest = &bytes[at + PRIVATE_KEY_PREFIX.len()..];
            rest.iter().take_while(|byte| is_key(byte)).count() >= SHORTEST
        });
        let encoded = self.encoded.iter().filter_map(|finder| {
            let mut found = finder.find_iter(bytes);
            found.find(|at| {
                let rest = bytes[*at..].iter().take_while(|byte| is_base64(byte));
                rest.count() >= SHORTEST
            })
        });
        let first = plain.into_iter().chain(encoded).min()?;
        Some(find_iter(&bytes[..first], b"\n").count() as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::identity::Identity;

    #[test]
    fn a_private_key_is_found_as_text_and_in_base64_wherever_it_lies() {
        let finder = KeyFinder::new();
        let key = Identity::generate().0;
        let key = key.key().expose();
        assert_eq!(
            finder.line_of_key(format!("a\nkey: {key}\n").as_bytes()),
            Some(2)
        );
        let cut = format!("'{}'", &key[..key.len() - 9]);
        assert_eq!(finder.line_of_key(cut.as_bytes()), Some(1));
        for before in ["", "#", "# ", "# c", "# created\n"] {
            let encoded = STANDARD.encode(format!("{before}{key}\n"));
            let found = finder.line_of_key(format!("\n\nage.agekey: {encoded}").as_bytes());
            assert_eq!(found, Some(3), "behind {before:?}");
        }
        for example in [
            "AGE-SECRET-KEY-1…",
            "AGE-SECRET-KEY-1QQQQ",
            "AGE-SECRET-KEY-",
        ] {
            assert_eq!(finder.line_of_key(example.as_bytes()), None, "{example}");
        }
    }
}
