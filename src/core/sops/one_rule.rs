//! A config of one rule, which is for every file. It is in memory, where sops can read it
//! as often as it wants to: it does so three times.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{EncryptFor, SopsError};
use crate::core::identity::{Recipient, RecipientKind};
use crate::core::readers::{Reader, Readers};
use crate::core::yaml;

/// The `stores` of a config, as data: sops takes the first document (`config/config.go`,
/// `load`). `None` if there are none.
pub fn stores_of(config: &[u8]) -> Option<Value> {
    let decoded = yaml::decode(config).ok()?;
    let stream = yaml::Stream::parse(&decoded.text).ok()?;
    let first = stream.documents.first()?.to_value(&stream.effort).ok()?;
    first.get("stores").filter(|it| it.is_object()).cloned()
}

/// A config that one sops process can read.
#[cfg(target_os = "linux")]
pub(super) struct OneRuleConfig(File);
#[cfg(not(target_os = "linux"))]
pub(super) struct OneRuleConfig(tempfile::NamedTempFile);

impl OneRuleConfig {
    /// The config for a request.
    ///
    /// # Errors
    /// [`SopsError::NotAKey`]; within, when there is no memory to be had.
    pub(super) fn new(request: &EncryptFor<'_>) -> Result<io::Result<Self>, SopsError> {
        let text = text(request)?;
        Ok(Self::create(text.as_bytes()))
    }

    #[cfg(target_os = "linux")]
    fn create(text: &[u8]) -> io::Result<Self> {
        use rustix::fs::{MemfdFlags, memfd_create};
        let create = |flags| memfd_create("kb-sops-config", MemfdFlags::CLOEXEC | flags);
        // The first is since Linux 6.3, where an administrator may insist on it.
        let file = create(MemfdFlags::NOEXEC_SEAL).or_else(|_| create(MemfdFlags::empty()))?;
        let mut file = File::from(file);
        file.write_all(text)?;
        Ok(Self(file))
    }

    /// There is no secret in it: elsewhere it is a temporary file.
    #[cfg(not(target_os = "linux"))]
    fn create(text: &[u8]) -> io::Result<Self> {
        let mut file = tempfile::Builder::new().prefix("kb-sops-").tempfile()?;
        file.write_all(text)?;
        Ok(Self(file))
    }

    /// Its path, for the process that inherits it.
    pub(super) fn path(&self) -> OsString {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
        }
        #[cfg(not(target_os = "linux"))]
        self.0.path().into()
    }

    /// The file that the process is to inherit.
    pub(super) fn inherited(&self) -> Option<&File> {
        #[cfg(target_os = "linux")]
        return Some(&self.0);
        #[cfg(not(target_os = "linux"))]
        return None;
    }
}

/// The config, as JSON, which is YAML too.
fn text(request: &EncryptFor<'_>) -> Result<String, SopsError> {
    let mut rule = Map::new();
    let Readers { groups, threshold } = request.readers;
    let groups = groups.iter().map(|group| key_group(request, group));
    let groups: Vec<Value> = groups.collect::<Result<_, _>>()?;
    rule.insert("key_groups".to_owned(), groups.into());
    if let Some(threshold) = threshold {
        rule.insert("shamir_threshold".to_owned(), (*threshold).into());
    }
    if request.mac_only_encrypted {
        rule.insert("mac_only_encrypted".to_owned(), true.into());
    }
    for (field, value) in request.selection {
        rule.insert((*field).to_owned(), value.as_str().into());
    }
    let mut config = json!({ "creation_rules": [rule] });
    if let Some(stores) = request.stores {
        config["stores"] = stores.clone();
    }
    Ok(ascii(&config.to_string()))
}

/// A key group, as sops reads it (`config/config.go`, `keyGroup`).
fn key_group(request: &EncryptFor<'_>, readers: &[Reader]) -> Result<Value, SopsError> {
    let mut group = Map::new();
    for reader in readers {
        let not_a_key = || SopsError::NotAKey {
            file: request.file.to_owned(),
            reader: reader.to_string(),
        };
        let (list, key) = match reader {
            Reader::Age(recipient) => ("age", age(recipient).ok_or_else(not_a_key)?.into()),
            Reader::Pgp(fingerprint) => ("pgp", fingerprint.as_str().into()),
            Reader::Kms {
                arn,
                role,
                profile,
                context,
            } => (
                "kms",
                json!({ "arn": arn, "role": role, "aws_profile": profile, "context": context }),
            ),
            Reader::Gcp(id) => ("gcp_kms", json!({ "resource_id": id })),
            Reader::Huawei(id) => ("hckms", json!({ "key_id": id })),
            Reader::Azure {
                vault,
                name,
                version,
            } => (
                "azure_keyvault",
                json!({ "vaultUrl": vault, "key": name, "version": version }),
            ),
            Reader::Vault { .. } => ("hc_vault", reader.to_string().into()),
            Reader::Unreadable { .. } => return Err(not_a_key()),
        };
        let list = group.entry(list).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(key);
        }
    }
    Ok(group.into())
}

/// An age recipient alone: sops takes a comma for the end of it, and in the comment of an
/// ssh key another recipient could stand behind one.
fn age(recipient: &Recipient) -> Option<String> {
    let text = recipient.as_str();
    let words = match recipient.kind() {
        RecipientKind::Ssh => 2,
        _ => 1,
    };
    let words: Vec<&str> = text.split_whitespace().take(words).collect();
    let key = words.join(" ");
    (!key.contains(',')).then_some(key)
}

/// JSON whose characters are all read alike by every YAML parser: some take a line
/// separator for a line end, or refuse a control character.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match u32::from(c) {
            0x20..0x7f => out.push(c),
            code @ ..0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
            code => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_are_those_of_the_first_document() {
        let config = b"stores:\n  yaml: {indent: 2}\n---\nstores: {json: {indent: 1}}\n";
        assert_eq!(stores_of(config), Some(json!({"yaml": {"indent": 2}})));
        assert_eq!(stores_of(b"creation_rules: []\n"), None);
        assert_eq!(stores_of(b"stores: {"), None);
    }

    #[test]
    fn every_character_is_read_alike() {
        let text = ascii(&json!("\u{85}\u{2028}\u{7f}é𝄞\n").to_string());
        assert_eq!(text, r#""\u0085\u2028\u007f\u00e9\U0001d11e\n""#);
        let decoded = yaml::values(text.as_bytes()).expect("YAML");
        assert_eq!(decoded, [json!("\u{85}\u{2028}\u{7f}é𝄞\n")]);
    }

    #[test]
    fn no_reader_hides_in_the_comment_of_an_ssh_key() {
        let smuggled = "ssh-ed25519 AAAA me,age1evil".parse().expect("a recipient");
        assert_eq!(age(&smuggled).as_deref(), Some("ssh-ed25519 AAAA"));
        let smuggled = "ssh-ed25519 AAAA,age1evil".parse().expect("a recipient");
        assert_eq!(age(&smuggled), None);
    }
}
