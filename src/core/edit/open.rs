//! Opens a session: the keys, the plaintext, and the place where the editor will
//! find it.

use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretBox};

use super::session::Session;
use super::swap;
use super::target::{EditedFile, FileState};
use super::text::Comments;
use super::unsaved::digest;
use super::{EditError, Options};
use crate::core::cluster::{Cluster, SecretName};
use crate::core::decrypt::{self, DecryptError};
use crate::core::drafts::{DraftContents, EmergencyFile, Head};
use crate::core::encrypted::{EncryptedFile, Format};
use crate::core::flux_secret::ClusterKeys;
use crate::core::private_dir::PrivateDir;
use crate::core::readers::Reader;
use crate::core::signals::Watch;
use crate::core::sops::{Sops, SopsError};

/// What is said of a file that an older kb has written.
const OWN_LINES: &str = "lines that begin with \"## kb:\" are kb's own: saving removes them";

impl<'a> Session<'a> {
    /// Fetches the keys, where [`EditedFile::needs_cluster`] says so, decrypts, and puts the text
    /// where the editor will find it. The cluster is not asked again.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn open(
        target: EditedFile,
        cluster: Option<(&Cluster, &SecretName)>,
        sops: &'a Sops,
        options: Options<'a>,
    ) -> Result<Self, EditError> {
        let keys = cluster.map(|(cluster, secret)| target.fetch_keys(cluster, secret));
        let keys = keys.transpose()?;
        let resumed = options.resumed.as_ref();
        let resumed = resumed.map(|unsaved| unsaved.contents(keys.as_ref()));
        let resumed = resumed.transpose()?;
        if let Some(contents) = &resumed {
            check_keys(&target, contents, keys.as_ref())?;
        }
        // That of a new file only opens its draft.
        let keys = keys.filter(|_| !target.is_new());
        let held = keys.as_ref().map(ClusterKeys::recipients);
        let own = held.as_deref().unwrap_or_default();
        if let FileState::Existing(file) = &target.kind {
            target.check_rule_of_existing(file, own, options.keep_readers)?;
        }
        target.check_servers(options.servers)?;
        target.check_review(own, options.keep_readers, options.accept)?;
        let opened = match &target.kind {
            FileState::Existing(file) => {
                OpenedFile::decrypt(&target, file, keys.as_ref(), sops, &options)?
            }
            FileState::New(_) => OpenedFile::default(),
        };
        let comments = comments(&target, resumed.as_ref());
        let original = comments.without(&opened.plaintext);
        let mut warnings = opened.warnings;
        if original.expose_secret().len() < opened.plaintext.expose_secret().len() {
            warnings.push(OWN_LINES.to_owned());
        }
        let DraftContents {
            text,
            before: resumed_before,
            files,
        } = resumed.unwrap_or_default();
        let name = target.path.file_name().unwrap_or_default().to_owned();
        let text = match swap::whole_text(&files, &name) {
            _ if options.resumed.is_none() => opened.plaintext,
            Some(unsaved) => comments.without(unsaved),
            None => text,
        };
        let head = Head {
            target: target.identity.clone(),
            name,
            since: SystemTime::now(),
            recipients: target.draft_recipients(held.as_deref()),
            resume: options.resume,
        };
        // From here on, a signal must not leave the text behind.
        let watch = Watch::new().map_err(EditError::Watch)?;
        let before = target.before.as_deref();
        let directory = PrivateDir::create(options.places, &head, before, options.allow_disk)?;
        let memory_error = |source| EditError::memory(&directory, source);
        let safe = if options.resumed.is_some() {
            &text
        } else {
            &original
        };
        directory
            .note_original(&digest(safe))
            .map_err(memory_error)?;
        // A whole text is shown, and need not lie beside it.
        let is_shown = |file: &EmergencyFile| {
            let whole = swap::whole_text(&files, &head.name);
            whole.is_some_and(|whole| std::ptr::eq(whole, &file.content))
        };
        let files: Vec<_> = files.iter().filter(|file| !is_shown(file)).collect();
        for file in &files {
            directory.write_beside_text(file).map_err(memory_error)?;
        }
        let swap = files.iter().find(|file| swap::is_unsaved_in_vim(file));
        let swap = swap.map(|file| file.name.clone());
        let resumed_files = files
            .iter()
            .map(|file| (file.name.clone(), digest(&file.content)));
        let resumed_files = resumed_files.collect();
        let shown = comments.above(&text);
        let mut this = Self {
            sops,
            keys,
            target,
            directory,
            watch,
            original,
            shown: SecretBox::default(),
            comments,
            objection: None,
            rounds: 0,
            drafts: options.drafts,
            head,
            keeps_refused: options.keeps_refused,
            resumed: options.resumed,
            resumed_files,
            swap,
            resumed_before,
            ignore_mac: options.ignore_mac,
            keep_readers: options.keep_readers,
            servers: options.servers,
            mac_matches: opened.mac_matches,
            warnings,
            foreign: opened.foreign,
        };
        this.show(shown)?;
        Ok(this)
    }
}

/// A text that was for one cluster must not go to another's key. A key that this
/// cluster had before is no other cluster's.
fn check_keys(
    target: &EditedFile,
    contents: &DraftContents,
    keys: Option<&ClusterKeys>,
) -> Result<(), EditError> {
    let before = contents.before.as_deref();
    let before = before.and_then(|before| EncryptedFile::parse(&target.path, before).ok());
    let before = before
        .map(|file| file.metadata.recipients())
        .unwrap_or_default();
    let held = keys.map(ClusterKeys::recipients).unwrap_or_default();
    let now = target.recipients();
    let mut common = before
        .iter()
        .filter(|key| now.contains(key) || held.contains(key));
    if before.is_empty() || common.next().is_some() {
        return Ok(());
    }
    Err(EditError::OtherKeys {
        path: target.path.clone(),
        now: now.to_vec(),
        before,
    })
}

/// What stands above the text when it is first opened.
fn comments(target: &EditedFile, resumed: Option<&DraftContents>) -> Comments {
    let format = target.format();
    match (&target.kind, resumed) {
        (_, Some(contents)) if contents.before != target.before => Comments::new(
            format,
            "the file was changed or removed since this text was opened:\n\
             saving this text replaces their version.",
        ),
        (FileState::New(rule), None) if rule.selects_values && format == Format::Yaml => {
            Comments::skeleton(&target.path)
        }
        _ => Comments::none(format),
    }
}

/// A file, decrypted.
struct OpenedFile {
    plaintext: SecretBox<Vec<u8>>,
    mac_matches: bool,
    warnings: Vec<String>,
    foreign: Vec<Reader>,
}

impl Default for OpenedFile {
    fn default() -> Self {
        Self {
            plaintext: SecretBox::default(),
            mac_matches: true,
            warnings: Vec::new(),
            foreign: Vec::new(),
        }
    }
}

impl OpenedFile {
    fn decrypt(
        target: &EditedFile,
        file: &EncryptedFile,
        keys: Option<&ClusterKeys>,
        sops: &Sops,
        options: &Options<'_>,
    ) -> Result<Self, EditError> {
        let rule = target.allowed_readers(options.keep_readers);
        let decrypt = |ignore_mac| {
            let request = decrypt::DecryptRequest {
                path: &target.path,
                file,
                content: target.encrypted().unwrap_or_default(),
                rule: rule.as_ref(),
                servers: options.servers,
                extract: None,
                ignore_mac,
            };
            request.open(keys, sops)
        };
        let (decrypted, mac_matches) = match decrypt(false) {
            Err(
                DecryptError::WrongBySops { .. }
                | DecryptError::Sops(SopsError::MacMismatch { .. }),
            ) if options.ignore_mac => (decrypt(true), false),
            decrypted => (decrypted, true),
        };
        let decrypted = decrypted?;
        Ok(Self {
            plaintext: decrypted.plaintext,
            mac_matches,
            warnings: decrypted.sops_warnings,
            foreign: decrypted.foreign,
        })
    }
}
