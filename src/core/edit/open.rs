//! Opens a session: the keys, the plaintext, and the place where the editor will
//! find it.

use secrecy::SecretBox;

use super::session::Session;
use super::target::{Kind, Target};
use super::text::Comments;
use super::{EditError, Options};
use crate::core::cluster::{Cluster, SecretName};
use crate::core::decrypt::{self, DecryptError};
use crate::core::encrypted::{EncryptedFile, Format};
use crate::core::flux_secret::ClusterKeys;
use crate::core::private_dir::{Kept, PrivateDir, TextOf};
use crate::core::readers::Reader;
use crate::core::signals::Watch;
use crate::core::sops::{Sops, SopsError};

impl<'a> Session<'a> {
    /// Fetches the keys, decrypts, and puts the text where the editor will find
    /// it. The cluster is not asked again.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn open(
        target: Target,
        cluster: Option<(&Cluster, &SecretName)>,
        sops: &'a Sops,
        options: Options<'a>,
    ) -> Result<Self, EditError> {
        let keys = cluster.map(|(cluster, secret)| target.fetch_keys(cluster, secret));
        let keys = keys.transpose()?;
        if let Some(kept) = &options.resumed {
            check_keys(&target, kept, keys.as_ref())?;
        }
        let opened = match &target.kind {
            Kind::Existing(file) => {
                let held = keys
                    .as_ref()
                    .map(ClusterKeys::recipients)
                    .unwrap_or_default();
                target.check_rule_of_existing(file, &held, options.keep_readers)?;
                target.check_servers(options.servers)?;
                Opened::decrypt(&target, file, keys.as_ref(), sops, &options)?
            }
            Kind::New(_) => {
                target.check_servers(options.servers)?;
                Opened::default()
            }
        };
        let comments = comments(&target, &options);
        let shown = match &options.resumed {
            Some(kept) => comments.above(&kept.text),
            None => comments.above(&opened.plaintext),
        };
        // From here on, a signal must not leave the text behind.
        let watch = Watch::new().map_err(EditError::Watch)?;
        let text_of = TextOf {
            target: &target.identity,
            name: target.path.file_name().unwrap_or_default(),
            before: target.before.as_deref(),
        };
        let directory = PrivateDir::create(options.places, text_of, options.allow_disk)?;
        let mut this = Self {
            sops,
            keys,
            target,
            directory,
            watch,
            original: opened.plaintext,
            shown: SecretBox::default(),
            comments,
            objection: None,
            rounds: 0,
            resumed: options.resumed,
            ignore_mac: options.ignore_mac,
            keep_readers: options.keep_readers,
            servers: options.servers,
            mac_matches: opened.mac_matches,
            warnings: opened.warnings,
            foreign: opened.foreign,
        };
        this.show(shown)?;
        Ok(this)
    }
}

/// A text that was for one cluster must not go to another's key. A key that this
/// cluster had before is no other cluster's.
fn check_keys(target: &Target, kept: &Kept, keys: Option<&ClusterKeys>) -> Result<(), EditError> {
    let before = kept.before.as_deref();
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
fn comments(target: &Target, options: &Options<'_>) -> Comments {
    let format = target.format();
    match (&target.kind, &options.resumed) {
        (_, Some(kept)) if kept.before != target.before => Comments::new(
            format,
            "the file was changed or removed since this text was opened:\n\
             saving this text replaces their version.",
        ),
        (Kind::New(rule), None) if rule.selects_values && format == Format::Yaml => {
            Comments::skeleton(&target.path)
        }
        _ => Comments::default(),
    }
}

/// A file, decrypted.
struct Opened {
    plaintext: SecretBox<Vec<u8>>,
    mac_matches: bool,
    warnings: Vec<String>,
    foreign: Vec<Reader>,
}

impl Default for Opened {
    fn default() -> Self {
        Self {
            plaintext: SecretBox::default(),
            mac_matches: true,
            warnings: Vec::new(),
            foreign: Vec::new(),
        }
    }
}

impl Opened {
    fn decrypt(
        target: &Target,
        file: &EncryptedFile,
        keys: Option<&ClusterKeys>,
        sops: &Sops,
        options: &Options<'_>,
    ) -> Result<Self, EditError> {
        let rule = target.allowed_readers(options.keep_readers);
        let decrypt = |ignore_mac| {
            let request = decrypt::Request {
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
            Err(DecryptError::Sops(SopsError::MacMismatch { .. })) if options.ignore_mac => {
                (decrypt(true), false)
            }
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
