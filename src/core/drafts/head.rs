//! What can be known of an unsaved text without a key.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::core::identity::Recipient;

/// Goes up when the fields change. What has another version is not read.
const VERSION: &[u8] = b"1";

/// What can be known of an unsaved text without a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The absolute path of the file, the same for every run: see [`crate::core::edit::identity`].
    pub target: PathBuf,
    /// The file name that was given on the command line: editors and sops take the format from it.
    pub name: OsString,
    /// When the text was last written, in whole seconds.
    pub since: SystemTime,
    /// Who can open the draft; empty where the rule has no key that kb can encrypt for.
    pub recipients: Vec<Recipient>,
    /// The command that resumes the text, as a person types it.
    pub resume: String,
}

impl Head {
    /// The text form: fields with a NUL between them, which none of them can hold.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH);
        let since = since.unwrap_or_default().as_secs().to_string();
        let recipients = self.recipients.iter().map(Recipient::as_str);
        let recipients = recipients.collect::<Vec<_>>().join(",");
        let fields: [&[u8]; 6] = [
            VERSION,
            since.as_bytes(),
            self.name.as_bytes(),
            self.target.as_os_str().as_bytes(),
            recipients.as_bytes(),
            self.resume.as_bytes(),
        ];
        fields.join(&0)
    }

    /// Reads the text form; `None` if it is not one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
        let [VERSION, since, name, target, recipients, resume] = fields[..] else {
            return None;
        };
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let seconds = Duration::from_secs(text(since)?.parse().ok()?);
        let recipients = text(recipients)?.split(',').filter(|it| !it.is_empty());
        let recipients = recipients.map(|it| it.parse().ok());
        let target = Path::new(OsStr::from_bytes(target));
        let name = OsStr::from_bytes(name);
        (target.is_absolute() && is_plain_name(name)).then_some(())?;
        Some(Self {
            target: target.to_owned(),
            name: name.to_owned(),
            since: SystemTime::UNIX_EPOCH.checked_add(seconds)?,
            recipients: recipients.collect::<Option<_>>()?,
            resume: text(resume)?.to_owned(),
        })
    }
}

/// Whether a name stays in the directory that it is joined to.
pub(super) fn is_plain_name(name: &OsStr) -> bool {
    let mut parts = Path::new(name).components();
    let first = parts.next();
    matches!(first, Some(Component::Normal(part)) if part == name) && parts.next().is_none()
}
