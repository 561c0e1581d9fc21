//! Which of the cluster's keys a file needs.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use crate::core::data_key::Opener;
use crate::core::encrypted::{Damage, EncryptedFile, FileError, Format, Metadata, Traces};
use crate::core::identity::{Identity, Recipient};
use crate::core::scan::Prefilter;

/// A base64 Secret in a base64 Secret is no Secret.
const DEEPEST: usize = 2;
/// Keys, by their number among those that are judged.
pub(super) type KeyNumbers = BTreeSet<usize>;

/// Which keys a file needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Those that open it, and those that its metadata names.
    pub(super) needed: KeyNumbers,
    /// Those that it may need: kb cannot read it.
    pub(super) unclear: KeyNumbers,
}

impl Verdict {
    pub(super) fn is_empty(&self) -> bool {
        self.needed.is_empty() && self.unclear.is_empty()
    }

    /// Whether it says all that the other one does.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.needed.is_superset(&other.needed) && self.unclear.is_superset(&other.unclear)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.needed.extend(other.needed);
        self.unclear.extend(other.unclear);
    }
}

/// Tells which keys files need. sops does not look at the names of recipients to open a
/// file, so kb does not rely on them either: it tries the keys.
pub(super) struct Judge {
    keys: Vec<CandidateKey>,
    prefilter: Prefilter,
}

struct CandidateKey {
    recipient: Option<Recipient>,
    opener: Opener,
}

impl Judge {
    pub(super) fn new<'k>(keys: impl Iterator<Item = &'k Identity>) -> Self {
        let keys: Vec<CandidateKey> = keys
            .map(|key| CandidateKey {
                recipient: key.recipient().cloned(),
                opener: Opener::new([key]),
            })
            .collect();
        let recipients: Vec<Recipient> = keys.iter().filter_map(|k| k.recipient.clone()).collect();
        Self {
            prefilter: Prefilter::new(&recipients),
            keys,
        }
    }

    /// All keys: what cannot be looked at may need each of them.
    pub(super) fn all(&self) -> KeyNumbers {
        (0..self.keys.len()).collect()
    }

    /// The keys for which this holds.
    fn which(&self, holds: impl Fn(&CandidateKey) -> bool) -> KeyNumbers {
        let keys = self.keys.iter().enumerate();
        keys.filter(|(_, key)| holds(key))
            .map(|(at, _)| at)
            .collect()
    }

    /// Whether a file has to be judged, by its content: most are not encrypted.
    pub(super) fn concerns(&self, path: &Path, content: &[u8]) -> bool {
        self.prefilter.matches(path, content)
    }

    /// What a file of more than [`LARGEST`](crate::core::encrypted::LARGEST) bytes may need:
    /// it is searched, and not parsed.
    pub(super) fn judge_large(&self, reader: impl Read) -> io::Result<Verdict> {
        let mut verdict = Verdict::default();
        if self.prefilter.is_traced_in(reader)? {
            verdict.unclear = self.all();
        }
        Ok(verdict)
    }

    /// Which keys the file at a path needs. The path tells the format, and Flux may take
    /// the file for any other one.
    pub(super) fn judge(&self, path: &Path, content: &[u8]) -> Verdict {
        self.judge_nested(path, content, 0)
    }

    fn judge_nested(&self, path: &Path, content: &[u8], depth: usize) -> Verdict {
        let traces = Traces::of(content);
        let mut verdict = Verdict::default();
        let may_hold_age_file = traces.may_hold_age_file();
        let names_one = || self.keys.iter().any(|key| key.is_named_in(&traces));
        let is_encrypted = may_hold_age_file || traces.has_encrypted_value() && names_one();
        if !is_encrypted {
            return verdict;
        }
        for file in traces.age_files() {
            verdict
                .needed
                .extend(self.which(|key| key.opener.opens(&file)));
        }
        let mut is_read = false;
        for format in Format::ALL {
            match EncryptedFile::parse_as(format, path, content) {
                Ok(file) => {
                    is_read |= !file.is_uncertain;
                    self.add_readers(&file, &mut verdict);
                }
                // There is nothing that a key could open.
                Err(FileError::Damaged {
                    reason: Damage::NoKey,
                    ..
                }) => is_read = true,
                Err(_) => {}
            }
        }
        if depth < DEEPEST {
            for data in traces.encoded() {
                verdict.add(self.judge_nested(path, &data, depth + 1));
            }
        }
        if !is_read && traces.has_encrypted_value() {
            verdict.unclear.extend(self.unclear(path, content, &traces));
        }
        let needed = std::mem::take(&mut verdict.needed);
        verdict.unclear.retain(|key| !needed.contains(key));
        verdict.needed = needed;
        verdict
    }

    fn add_readers(&self, file: &EncryptedFile, verdict: &mut Verdict) {
        let all = [&file.metadata].into_iter().chain(&file.others);
        for metadata in all {
            let named = metadata.recipients();
            let is_named =
                |key: &CandidateKey| key.recipient.as_ref().is_some_and(|it| named.contains(it));
            verdict.needed.extend(self.which(is_named));
            for wrapped in wrapped_keys(metadata) {
                let opens = |key: &CandidateKey| key.opener.opens(&wrapped);
                verdict.needed.extend(self.which(opens));
            }
        }
    }

    /// The keys that a file may need which no reader of sops's formats takes for certain.
    fn unclear(&self, path: &Path, content: &[u8], traces: &Traces) -> KeyNumbers {
        let named = self.which(|key| key.is_named_in(traces));
        if !named.is_empty() {
            return named;
        }
        // Of a file with a name of sops's, its own format tells. Anything else that shows
        // metadata, and none of these keys, is documentation.
        let format = Format::of(path);
        let own = EncryptedFile::parse_as(format, path, content);
        let is_damaged = matches!(
            own,
            Err(FileError::Damaged {
                reason: Damage::NotParsed | Damage::Uncertain,
                ..
            })
        ) || own.is_ok_and(|file| file.is_uncertain);
        if format != Format::Binary && is_damaged && traces.may_hold_age_file() {
            return self.all();
        }
        KeyNumbers::new()
    }
}

impl CandidateKey {
    fn is_named_in(&self, traces: &Traces) -> bool {
        self.recipient.as_ref().is_some_and(|it| traces.names(it))
    }
}

/// The age files in metadata, without their armor.
fn wrapped_keys(metadata: &Metadata) -> Vec<Vec<u8>> {
    let wrapped = metadata.wrapped_keys().into_iter();
    let files = wrapped.flat_map(|wrapped| Traces::of(wrapped.as_bytes()).age_files());
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::data_key::DataKey;

    fn file(recipient: &str, wrapped: &str) -> String {
        let wrapped = wrapped.trim().replace('\n', "\n            ");
        format!(
            "a: ENC[AES256_GCM,data:x]\nsops:\n    age:\n        - recipient: {recipient}\n          enc: |\n            {wrapped}\n    mac: ENC[AES256_GCM,data:x]\n"
        )
    }

    #[test]
    fn a_key_is_needed_by_what_it_opens_and_by_what_names_it() {
        let [(one, one_name), (other, other_name)] = [Identity::generate(), Identity::generate()];
        let judge = Judge::new([&one, &other].into_iter());
        let wrapped = |to: &Recipient| {
            let key = DataKey::generate().expect("randomness");
            key.wrap(to.as_str()).expect("wrapped")
        };
        let needed = |name: &str, text: &str| {
            let verdict = judge.judge(Path::new(name), text.as_bytes());
            assert!(verdict.unclear.is_empty(), "{name}: {verdict:?}\n{text}");
            verdict.needed.into_iter().collect::<Vec<_>>()
        };
        let sound = file(one_name.as_str(), &wrapped(&one_name));
        let lying = file("age1other", &wrapped(&one_name));
        let other = file(other_name.as_str(), &wrapped(&other_name));
        for name in ["a.yaml", "a.conf", "a.env", "a.json", "a.ini"] {
            assert_eq!(needed(name, &sound), [0], "{name}");
            assert_eq!(needed(name, &lying), [0], "{name}");
            assert_eq!(needed(name, &other), [1], "{name}");
        }
        let both = format!("{sound}---\n{other}");
        assert_eq!(needed("a.yaml", &both), [0, 1]);
        let stranger = Identity::generate().1;
        let theirs = file(stranger.as_str(), &wrapped(&stranger));
        assert_eq!(needed("a.yaml", &theirs), [] as [usize; 0]);
        // A page that shows a file of someone else's, and names the key.
        let page = format!("# Keys\n\nOurs is {one_name}\n\n```\n{theirs}```\n- [x](y): z\n");
        let verdict = judge.judge(Path::new("README.md"), page.as_bytes());
        assert_eq!(verdict.unclear.into_iter().collect::<Vec<_>>(), [0]);
        let page = page.replace(one_name.as_str(), "age1x");
        assert_eq!(needed("README.md", &page), [] as [usize; 0]);
        // The same under a name of sops's is a damaged file.
        let verdict = judge.judge(Path::new("a.yaml"), page.as_bytes());
        assert_eq!(verdict.unclear, judge.all());
        assert!(!judge.concerns(Path::new("a.rs"), b"fn main() {}"));
    }

    /// kustomize-controller decrypts the data of a Secret.
    #[test]
    fn files_in_the_data_of_a_secret_are_judged() {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let (one, name) = Identity::generate();
        let judge = Judge::new([&one].into_iter());
        let key = DataKey::generate().expect("randomness");
        let inner = file("age1x", &key.wrap(name.as_str()).expect("wrapped"));
        let data = STANDARD.encode(&inner);
        for data in [
            data.clone(),
            format!("|\n    {}\n    {}", &data[..70], &data[70..]),
        ] {
            let manifest = format!("kind: Secret\ndata:\n  x.yaml: {data}\n");
            assert!(judge.concerns(Path::new("a.yaml"), manifest.as_bytes()));
            let verdict = judge.judge(Path::new("a.yaml"), manifest.as_bytes());
            assert_eq!(verdict.needed, judge.all(), "{manifest}");
        }
        // Patches bring it into a Secret, and no word of one is in them.
        for patch in [
            format!("- op: add\n  path: /data/x.yaml\n  value: {data}\n"),
            format!("data:\n  x.yaml: {data}\n  x.yaml: {data}\n"),
            format!("a: {{{{ b }}}}\ndata:\n  x.yaml: {data}\n"),
            format!("patches:\n- patch: |\n    data:\n      x.yaml: {data}\n"),
        ] {
            assert!(judge.concerns(Path::new("p.yaml"), patch.as_bytes()));
            let verdict = judge.judge(Path::new("p.yaml"), patch.as_bytes());
            assert_eq!(verdict.needed, judge.all(), "{patch}");
        }
    }
}
