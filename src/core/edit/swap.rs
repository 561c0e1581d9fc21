//! Files in which editors keep what is not saved.
//!
//! | file | editor | holds |
//! | --- | --- | --- |
//! | `NAME.swp`, `NAME.swo` … | vim, neovim | changes, which only the editor reads |
//! | `#NAME#` | emacs | the whole text |
//! | `NAME.save`, `NAME.save.1` … | nano | the whole text |

use std::ffi::OsStr;

use secrecy::{ExposeSecret, SecretBox};

use super::text::is_blank;
use crate::core::drafts::EmergencyFile;

/// Where vim notes in a swap file that the text has changes which are not saved
/// (`b0_dirty` in its memline.c, at the end of the file's name).
const VIM_CHANGED: usize = 1007;
/// What a swap file of vim begins with, and then its version.
const VIM_START: &[u8] = b"b0VIM";
/// What a lock file of nano begins with, which looks like a swap file and holds no text.
const NANO_LOCK_START: &[u8] = b"b0nano";

/// Whether a file beside the text may hold something that the text does not. vim has a
/// swap file from the start; of others nobody knows.
pub(super) fn is_unsaved(file: &EmergencyFile) -> bool {
    let content = file.content.expose_secret();
    if is_swap_of_vim(file) {
        return content.get(VIM_CHANGED) != Some(&0);
    }
    !is_blank(content) && !content.starts_with(NANO_LOCK_START)
}

/// Whether it holds changes that only vim can recover.
pub(super) fn is_unsaved_in_vim(file: &EmergencyFile) -> bool {
    is_swap_of_vim(file) && is_unsaved(file)
}

/// Whether it is a swap file of vim or neovim.
fn is_swap_of_vim(file: &EmergencyFile) -> bool {
    let name = file.name.as_encoded_bytes();
    let ending = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    // .swp, .swo … .saa
    let is_named = ending.len() == 3 && ending.starts_with(b"s");
    is_named && file.content.expose_secret().starts_with(VIM_START)
}

/// The whole text as an editor kept it that was ended with unsaved changes.
pub(super) fn whole_text<'f>(
    files: &'f [EmergencyFile],
    name: &OsStr,
) -> Option<&'f SecretBox<Vec<u8>>> {
    let name = name.as_encoded_bytes();
    let of_emacs = [b"#", name, b"#"].concat();
    let of_nano = [name, b".save"].concat();
    let is_whole = |file: &&EmergencyFile| {
        let own = file.name.as_encoded_bytes();
        let is_of_nano = own.strip_prefix(of_nano.as_slice()).is_some_and(|rest| {
            let number = rest.strip_prefix(b".");
            rest.is_empty() || number.is_some_and(|it| it.iter().all(u8::is_ascii_digit))
        });
        (own == of_emacs || is_of_nano) && is_unsaved(file)
    };
    files.iter().rfind(is_whole).map(|file| &file.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &[u8]) -> EmergencyFile {
        EmergencyFile {
            name: name.into(),
            content: SecretBox::new(Box::new(content.to_vec())),
        }
    }

    #[test]
    fn a_swap_file_says_whether_something_is_unsaved() {
        let mut swap = vec![0; 4096];
        swap[..VIM_START.len()].copy_from_slice(VIM_START);
        assert!(!is_unsaved(&file("a.yaml.swp", &swap)));
        swap[VIM_CHANGED] = 0x55;
        assert!(is_unsaved(&file("a.yaml.swo", &swap)));
        assert!(is_unsaved(&file("a.yaml.swp", b"b0VIM 9")));
        assert!(is_unsaved(&file("a.yaml.swp", b"something else")));
        assert!(!is_unsaved(&file("a.yaml~", b" \n")));
        assert!(!is_unsaved(&file(".a.yaml.swp", b"b0nano 7.2\x55")));
    }

    #[test]
    fn a_whole_text_is_known_by_its_name() {
        let name = OsStr::new("a.yaml");
        let found = |files: &[EmergencyFile]| {
            whole_text(files, name).map(|text| text.expose_secret().clone())
        };
        for known in ["#a.yaml#", "a.yaml.save", "a.yaml.save.12"] {
            assert_eq!(found(&[file(known, b"x")]), Some(b"x".to_vec()), "{known}");
        }
        for other in ["#b.yaml#", "a.yaml.saved", "a.yaml.save.x", "a.yaml~"] {
            assert_eq!(found(&[file(other, b"x")]), None, "{other}");
        }
    }
}
