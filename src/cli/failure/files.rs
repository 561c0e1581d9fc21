//! Hints for what goes wrong with encrypted files and the sops that opens them.

use std::path::Path;

use super::Failure;
use crate::cli::message::Hint;
use crate::cli::message::command::{kb, quoted};
use crate::core::encrypted::FileError;
use crate::core::sops::{MINIMUM_VERSION, SopsError};
use crate::core::sops_config;
use crate::core::yaml::Encoding;

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            FileError::Missing { .. } => {
                failure.hint("is the path right? It is taken from the working directory")
            }
            FileError::Ambiguous { here, .. } => failure.hint(format!(
                "name it without .., as in {}",
                quoted(&here.to_string_lossy())
            )),
            FileError::Directory { .. } => failure.hint("name one file in it"),
            FileError::NotAFile { .. } => {
                failure.hint("write it to a file first: it is encrypted, so a disk is fine")
            }
            FileError::Read { .. } => failure.hint("ls -l shows who may read it"),
            FileError::Empty { path } => failure.hint(history_command(&path)),
            FileError::Plaintext { path } if path.ends_with(sops_config::FILE_NAME) => {
                failure.hint("it is sops's configuration, which must stay readable")
            }
            FileError::Plaintext { path } => failure.hint_command(
                "to encrypt it, if it is a Secret, by the rules of .sops.yaml:",
                kb("k secrets check --fix").path(&path),
            ),
            FileError::NotParsed { .. } => {
                failure.hint("fix it first: sops cannot encrypt it as it is")
            }
            FileError::Conflict { path, .. } => failure.hints_of(conflict_hints(&path)),
            FileError::Encoding { path, encoding, .. } => {
                failure.hint(to_utf8(&path, encoding))
            }
            FileError::PlainFirst { path, .. } => failure.hint(format!(
                "decrypt, edit and a rotation need them apart: move what is not encrypted from {} into a file of its own",
                quoted(&path.to_string_lossy())
            )),
            FileError::Damaged { path, .. } => failure.hint(history_command(&path)),
        }
    }
}

impl From<SopsError> for Failure {
    fn from(error: SopsError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            SopsError::NotInstalled => failure.hint(
                "mise use -g sops, brew install sops, or https://github.com/getsops/sops/releases",
            ),
            SopsError::Start { source, .. }
                if source.kind() == std::io::ErrorKind::ArgumentListTooLong =>
            {
                failure.hint("the Secret holds more keys than one program can be given")
            }
            SopsError::Start { program, .. } => failure.hint(format!(
                "ls -l {} shows whether it is executable",
                quoted(&program.to_string_lossy())
            )),
            SopsError::TooOld { .. } | SopsError::NotSops { .. } => failure.hint(format!(
                "put sops {MINIMUM_VERSION} or newer first on the PATH: mise use -g sops"
            )),
            SopsError::MacMismatch { file } => failure
                .hint(history_command(&file))
                .hint("--ignore-mac prints it all the same"),
            SopsError::NoKey { file, .. } => failure.hint(history_command(&file)),
            SopsError::Extract { .. } => failure.hint(
                "the form is '[\"data\"][\"password\"]', with the keys as the file spells them",
            ),
            SopsError::NotAKey { .. } => failure.hint_command(
                "to see what is wrong in .sops.yaml and in the file:",
                kb("k secrets check"),
            ),
            SopsError::Stopped => failure.hint("nothing was saved; run it again"),
            SopsError::Refused { .. } => failure.hint("look whether it is as its name says"),
            SopsError::Failed {
                task: "encrypt", ..
            } => failure.hint(
                "sops encrypt FILE shows what is wrong; try it with a file that holds no secret",
            ),
            SopsError::Failed { file, .. } => failure.hint(history_command(&file)),
        }
    }
}

/// What to do about a file in which a merge has left conflict markers.
pub fn conflict_hints(path: &Path) -> Vec<Hint> {
    let path = quoted(&path.to_string_lossy());
    let texts = [
        format!(
            "to take one side: git checkout --ours -- {path} (or --theirs), then add the other side's changes in an editor"
        ),
        format!("if the markers were committed: git log -p -- {path} shows both sides"),
    ];
    texts.map(Hint::Text).into()
}

/// A command that brings a file into UTF-8 without a byte order mark.
pub fn to_utf8(path: &Path, encoding: Encoding) -> String {
    let (old, new) = (path.to_string_lossy(), format!("{}.new", path.display()));
    let (old, new) = (quoted(&old), quoted(&new));
    let convert = if encoding.is_utf16() {
        format!("iconv -f UTF-16 -t UTF-8 {old}")
    } else {
        format!("tail -c +4 {old}")
    };
    format!("to bring it into UTF-8: {convert} > {new} && mv {new} {old}")
}

/// What a file was before.
fn history_command(path: &Path) -> String {
    format!(
        "to see how it was before: git log -p -- {}",
        quoted(&path.to_string_lossy())
    )
}
