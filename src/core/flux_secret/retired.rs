//! The text of the entry of retired keys.

use secrecy::{ExposeSecret, SecretBox, SecretString};

use crate::core::identity::Identity;

/// The keys of several entries, line by line with the comments beside them, each
/// key once. It is a key file as `age-keygen` writes it.
pub(super) struct Retired<'a> {
    /// Whether a line, which may be no key, is left out.
    is_left_out: Box<dyn Fn(&str) -> bool + 'a>,
    text: SecretBox<String>,
    holds_key: bool,
}

impl<'a> Retired<'a> {
    pub(super) fn all() -> Self {
        Self::but(|_| false)
    }

    /// Without a key that takes their place, and so is not retired.
    pub(super) fn without(new: &'a Identity) -> Self {
        Self::but(|line| line == new.key().expose())
    }

    /// Without these lines.
    pub(super) fn but(is_left_out: impl Fn(&str) -> bool + 'a) -> Self {
        Self {
            is_left_out: Box::new(is_left_out),
            text: SecretBox::default(),
            holds_key: false,
        }
    }

    /// Adds what stands in an entry.
    pub(super) fn add(&mut self, entry: Option<&[u8]>) {
        use secrecy::ExposeSecretMut;
        // Comments go with the key below them.
        let mut comments = String::new();
        for line in entry.unwrap_or_default().split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                comments.push_str(line);
                comments.push('\n');
                continue;
            }
            let is_left_out = (self.is_left_out)(line);
            if !is_left_out && !self.text.expose_secret().lines().any(|known| known == line) {
                self.holds_key = true;
                let text = self.text.expose_secret_mut();
                text.push_str(comments.trim_start());
                text.push_str(line);
                text.push('\n');
            }
            comments.clear();
        }
    }

    /// The value of the entry, or `None` if there is no retired key.
    pub(super) fn text(&self) -> Option<SecretString> {
        let text = self.text.expose_secret().as_str();
        self.holds_key.then(|| SecretString::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::identity::KeyFile;

    #[test]
    fn each_key_is_kept_once_with_its_comments_and_the_new_one_is_not() {
        let [new, old, older] = [(); 3].map(|()| Identity::generate().0);
        let [new_key, old_key, older_key] = [&new, &old, &older].map(|id| id.key().expose());
        let current = format!("# made by hand\n# in May\r\n{old_key}\r\n\n# none below\n");
        let before = format!("{older_key}\n# public key\n{new_key}\n{old_key}");
        let mut retired = Retired::without(&new);
        retired.add(Some(current.as_bytes()));
        retired.add(Some(before.as_bytes()));
        retired.add(None);
        let text = retired.text().expect("two keys");
        let expected = format!("# made by hand\n# in May\n{old_key}\n{older_key}\n");
        assert_eq!(text.expose_secret(), expected);
        assert!(KeyFile::parse(expected.as_bytes()).bad_lines.is_empty());
    }

    #[test]
    fn without_a_retired_key_there_is_no_entry() {
        let new = Identity::generate().0;
        let mut retired = Retired::without(&new);
        retired.add(Some(format!("# c\n{}\n", new.key().expose()).as_bytes()));
        assert!(retired.text().is_none());
    }
}
