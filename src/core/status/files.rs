//! The encrypted files: who they are for, and whether Flux can apply them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Request, Status};
use crate::core::audit::{Cause, Content, Encrypted, Examined, PlainValue, Rule};
use crate::core::data_key::Opener;
use crate::core::flux_secret::ClusterKeys;
use crate::core::identity::Recipient;
use crate::core::kustomize::is_kustomization;
use crate::core::native::Verified;
use crate::core::parallel;
use crate::core::sops::{Decrypt, Keys, Sops, SopsError};
use crate::core::sops_config::CreationRule;
use crate::core::sops_file::{self, Format};

/// kustomize-controller decrypts no larger file, in bytes (its `decryptor.go`,
/// `maxEncryptedFileSize`).
const LARGEST_FOR_FLUX: u64 = 5 << 20;

/// So many of so many files have been opened.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// What is wrong with an encrypted file.
#[derive(Debug)]
pub enum FileProblem {
    /// No rule is for it.
    NoRule,
    /// Its recipients are others than its rule's.
    OtherRecipients {
        /// The rule, as `FILE:LINE:COLUMN`.
        rule: String,
        /// Those of the rule that it is not for.
        missing: Vec<Recipient>,
        /// Those that it is for, and the rule does not name.
        extra: Vec<Recipient>,
        /// Whether it is for a key that was rotated away.
        is_retired: bool,
        /// Whether a key of the cluster opens it.
        is_ours: bool,
    },
    /// It is for keys that neither the cluster nor any rule has.
    UnknownKeys {
        /// Their recipients.
        recipients: Vec<Recipient>,
    },
    /// A field is encrypted that Flux has to read to apply it.
    EncryptedHead {
        /// The field.
        field: String,
    },
    /// It is a kustomization, which kustomize reads before anything is decrypted.
    EncryptedKustomization,
    /// It is larger than Flux decrypts.
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// Its MAC does not match.
    WrongMac,
    /// A key of the cluster should open it, and does not.
    NotOpened(SopsError),
}

pub(super) fn look(
    request: &Request<'_>,
    keys: Option<&ClusterKeys>,
    status: &mut Status,
    progress: &Progress<'_>,
) {
    let known = Known::new(request, keys);
    let mut ours = Vec::new();
    for file in &request.audit.files {
        let Content::Encrypted(found) = &file.content else {
            continue;
        };
        status.encrypted += 1;
        let rule = request.audit.rules.of(&file.path);
        let problems = known.problems(file, found, rule);
        let named = problems.into_iter().map(|it| (file.path.clone(), it));
        status.files.extend(named);
        let recipients = &found.metadata.recipients;
        if recipients.iter().any(|key| known.is_held(key)) {
            status.ours += 1;
            // One with values that were typed in is named for them, and one whose format its
            // name does not tell, sops does not open by itself.
            let is_typed_in = |value: &PlainValue| value.cause == Cause::TypedIn;
            let is_told = found.format == Format::of(&file.path);
            if is_told && !found.plain_values.iter().any(is_typed_in) {
                ours.push(file.path.as_path());
            }
        }
    }
    // sops opens nothing with a config that it cannot read.
    status.files_unopened = request.audit.rules.are_broken_at(&request.root);
    if let Some(keys) = keys.filter(|_| !status.files_unopened) {
        status
            .files
            .extend(that_do_not_open(request.sops, keys, &ours, progress));
    }
    status.files.sort_by(|a, b| a.0.cmp(&b.0));
}

/// The recipients that are known.
struct Known<'k> {
    keys: Option<&'k ClusterKeys>,
    held: Vec<Recipient>,
    retired: Vec<Recipient>,
    /// Those that the rules name.
    named: BTreeSet<Recipient>,
    /// Whether all configs could be read: else nobody knows what rules there are.
    rules_are_known: bool,
}

impl<'k> Known<'k> {
    fn new(request: &Request<'_>, keys: Option<&'k ClusterKeys>) -> Self {
        let rules = &request.audit.rules;
        let all = rules.configs().flat_map(|config| &config.rules);
        Self {
            keys,
            held: keys.map(ClusterKeys::recipients).unwrap_or_default(),
            retired: keys.map(ClusterKeys::retired).unwrap_or_default(),
            named: all.flat_map(CreationRule::recipients).collect(),
            rules_are_known: rules.are_known(),
        }
    }

    /// Whether a key of the cluster opens what is for this recipient, or may do so.
    fn is_held(&self, recipient: &Recipient) -> bool {
        let keys = self.keys;
        keys.is_some_and(|keys| keys.may_open(recipient, &self.held))
    }

    fn problems(
        &self,
        file: &Examined,
        found: &Encrypted,
        rule: Option<Rule<'_>>,
    ) -> Vec<FileProblem> {
        let field = found.encrypted_head.clone();
        let mut problems: Vec<FileProblem> = field
            .map(|field| FileProblem::EncryptedHead { field })
            .into_iter()
            .collect();
        if is_kustomization(&file.path) {
            problems.push(FileProblem::EncryptedKustomization);
        }
        if file.size > LARGEST_FOR_FLUX {
            problems.push(FileProblem::TooLarge { size: file.size });
        }
        problems.extend(self.problem_of_recipients(found, rule));
        problems
    }

    fn problem_of_recipients(
        &self,
        found: &Encrypted,
        rule: Option<Rule<'_>>,
    ) -> Option<FileProblem> {
        let recipients = &found.metadata.recipients;
        if !self.rules_are_known {
            return None;
        }
        let is_known = |key: &Recipient| {
            !key.may_be_a_clusters() || self.is_held(key) || self.named.contains(key)
        };
        if !found.metadata.other_keys && !recipients.iter().any(is_known) {
            return Some(FileProblem::UnknownKeys {
                recipients: recipients.clone(),
            });
        }
        let Some(Rule { config, rule, .. }) = rule else {
            return Some(FileProblem::NoRule);
        };
        let wanted: BTreeSet<Recipient> = rule.recipients().collect();
        let has: BTreeSet<Recipient> = recipients.iter().cloned().collect();
        let without = |a: &BTreeSet<Recipient>, b| a.difference(b).cloned().collect();
        // A rule without a key is named as such; this would say nothing more.
        (wanted != has && !rule.has_no_key()).then(|| FileProblem::OtherRecipients {
            rule: rule.position.in_file(&config.path),
            missing: without(&wanted, &has),
            extra: without(&has, &wanted),
            is_retired: self.retired.iter().any(|key| has.contains(key)),
            is_ours: has.iter().any(|key| self.is_held(key)),
        })
    }
}

/// The files that a key of the cluster should open, and does not, or only without
/// looking at the MAC. sops is asked where kb itself does not find all in order.
fn that_do_not_open(
    sops: &Sops,
    keys: &ClusterKeys,
    files: &[&Path],
    progress: &Progress<'_>,
) -> Vec<(PathBuf, FileProblem)> {
    let identities = keys.for_sops();
    let done = AtomicUsize::new(0);
    let opener = Opener::new(keys.identities());
    let is_in_order = |file: &Path| {
        let content = sops_file::read(file);
        content.is_ok_and(|content| Verified::open(Format::of(file), &content, &opener).is_ok())
    };
    let opened = parallel::map(files, |file| {
        let request = Decrypt {
            file,
            extract: None,
            ignore_mac: false,
        };
        let result = match is_in_order(file) {
            true => Ok(()),
            false => sops.decrypt(&request, Keys::Cluster(&identities)).map(drop),
        };
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, files.len());
        result.err()
    });
    let problems = files.iter().zip(opened).filter_map(|(path, error)| {
        let problem = match error? {
            SopsError::MacMismatch { .. } => FileProblem::WrongMac,
            error => FileProblem::NotOpened(error),
        };
        Some(((*path).to_owned(), problem))
    });
    problems.collect()
}
