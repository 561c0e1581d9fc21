//! The encrypted files: who they are for, and whether Flux can apply them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{StatusReport, StatusRequest};
use crate::core::audit::{Cause, EncryptedContent, Examined, FileContent, Mismatch, PlainValue};
use crate::core::data_key::Opener;
use crate::core::decrypt::{self, DecryptError};
use crate::core::encrypted::{self, EncryptedFile, Verified};
use crate::core::flux_secret::ClusterKeys;
use crate::core::identity::Recipient;
use crate::core::kustomize::is_kustomization;
use crate::core::parallel;
use crate::core::rules::{RuleOf, Rules};
use crate::core::servers::Servers;
use crate::core::sops::{Sops, SopsError};
use crate::core::sops_config::CreationRule;

/// kustomize-controller decrypts no larger file, in bytes (its `decryptor.go`,
/// `maxEncryptedFileSize`).
const LARGEST_FOR_FLUX: u64 = 5 << 20;

/// So many of so many files have been opened.
pub type OnProgress<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// What is wrong with an encrypted file.
#[derive(Debug)]
pub enum FileProblem {
    /// No rule is for it.
    NoRule,
    /// It is encrypted otherwise than its rule says.
    Mismatch {
        /// How it differs.
        mismatch: Mismatch,
        /// The retired keys of the cluster that it is still encrypted for.
        retired: Vec<Recipient>,
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
    NotOpened(DecryptError),
}

pub(super) fn look(
    request: &StatusRequest<'_>,
    keys: Option<&ClusterKeys>,
    status: &mut StatusReport,
    progress: &OnProgress<'_>,
) {
    let known = KnownRecipients::new(request, keys);
    let mut ours = Vec::new();
    for file in &request.audit.files {
        let FileContent::Encrypted(found) = &file.content else {
            continue;
        };
        status.encrypted += 1;
        let rule = request.audit.rules.of(&file.path);
        let problems = known.problems(request, file, found, rule);
        let named = problems.into_iter().map(|it| (file.path.clone(), it));
        status.files.extend(named);
        let recipients = &found.file.metadata.recipients();
        if recipients.iter().any(|key| known.is_held(key)) {
            status.ours += 1;
            // One with values that were typed in is named for them.
            let is_typed_in = |value: &PlainValue| value.cause == Cause::TypedIn;
            if !found.protection.plain_values.iter().any(is_typed_in) {
                ours.push((file.path.as_path(), &found.file));
            }
        }
    }
    // sops opens nothing with a config that it cannot read.
    status.files_unopened = request.audit.rules.are_broken_at(&request.root);
    if let Some(keys) = keys.filter(|_| !status.files_unopened) {
        status.files.extend(that_do_not_open(
            request.sops,
            &request.audit.rules,
            keys,
            &ours,
            progress,
        ));
    }
    status.files.sort_by(|a, b| a.0.cmp(&b.0));
}

/// The recipients that are known.
struct KnownRecipients<'k> {
    keys: Option<&'k ClusterKeys>,
    held: Vec<Recipient>,
    retired: Vec<Recipient>,
    /// Those that the rules name.
    named: BTreeSet<Recipient>,
    /// Whether all rules can be used: else nobody knows whom they name.
    rules_are_sound: bool,
}

impl<'k> KnownRecipients<'k> {
    fn new(request: &StatusRequest<'_>, keys: Option<&'k ClusterKeys>) -> Self {
        let rules = &request.audit.rules;
        let all = rules.configs().flat_map(|config| &config.rules);
        Self {
            keys,
            held: keys.map(ClusterKeys::recipients).unwrap_or_default(),
            retired: keys.map(ClusterKeys::retired).unwrap_or_default(),
            named: all.flat_map(CreationRule::recipients).collect(),
            rules_are_sound: rules.are_sound(),
        }
    }

    /// Whether a key of the cluster opens what is for this recipient, or may do so.
    fn is_held(&self, recipient: &Recipient) -> bool {
        let keys = self.keys;
        keys.is_some_and(|keys| keys.may_open(recipient, &self.held))
    }

    fn problems(
        &self,
        request: &StatusRequest<'_>,
        file: &Examined,
        found: &EncryptedContent,
        rule: RuleOf<'_>,
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
        // What had a rule is named for that.
        if !request.audit.lost_rules.contains_key(&file.path) {
            problems.extend(self.problem_of_recipients(found, rule));
        }
        problems
    }

    fn problem_of_recipients(
        &self,
        found: &EncryptedContent,
        rule: RuleOf<'_>,
    ) -> Option<FileProblem> {
        let recipients = &found.file.metadata.recipients();
        let is_known = |key: &Recipient| {
            !key.may_be_a_clusters() || self.is_held(key) || self.named.contains(key)
        };
        let has_others = found.file.metadata.has_other_keys();
        if self.rules_are_sound && !has_others && !recipients.iter().any(is_known) {
            return Some(FileProblem::UnknownKeys {
                recipients: recipients.clone(),
            });
        }
        let rule = match rule {
            RuleOf::None => return Some(FileProblem::NoRule),
            RuleOf::Broken { .. } => return None,
            RuleOf::Rule(rule) => rule,
        };
        // A retired key is to go, although it is the cluster's.
        let retired = recipients.iter().filter(|key| self.retired.contains(key));
        let retired: Vec<Recipient> = retired.cloned().collect();
        let held = self.held.iter().filter(|key| !retired.contains(key));
        let held: Vec<Recipient> = held.cloned().collect();
        Mismatch::of(&found.file, rule, &held).map(|mismatch| FileProblem::Mismatch {
            mismatch,
            retired,
            is_ours: recipients.iter().any(|key| self.is_held(key)),
        })
    }
}

/// The files that a key of the cluster should open, and does not, or only without
/// looking at the MAC. sops is asked where kb itself does not find all in order.
fn that_do_not_open(
    sops: &Sops,
    rules: &Rules,
    keys: &ClusterKeys,
    files: &[(&Path, &EncryptedFile)],
    progress: &OnProgress<'_>,
) -> Vec<(PathBuf, FileProblem)> {
    let done = AtomicUsize::new(0);
    let opener = Opener::new(keys.identities());
    let open = |path: &Path, known: &EncryptedFile| {
        if Verified::of(known, &opener).is_ok() {
            return None;
        }
        // What cannot be read any more does not open.
        let content = encrypted::read(path).unwrap_or_default();
        // It was damaged meanwhile, if it is not encrypted any more.
        let file = EncryptedFile::parse_and_keep(path, content.clone()).ok()?;
        let opened = match file.text() {
            Some(_) => Verified::of(&file, &opener),
            None => Verified::open(file.format, &content, &opener),
        };
        if opened.is_ok() {
            return None;
        }
        // A key of the cluster is to open it, as for Flux; no server is asked.
        let request = decrypt::DecryptRequest {
            path,
            file: &file,
            content: &content,
            rule: rules.of(path).usable().map(|rule| &rule.rule.readers),
            servers: &Servers::default(),
            extract: None,
            ignore_mac: false,
        };
        request.open(Some(keys), sops).err()
    };
    let opened = parallel::map(files, |(path, known)| {
        let error = open(path, known);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, files.len());
        error
    });
    let problems = files.iter().zip(opened).filter_map(|((path, _), error)| {
        let problem = match error? {
            DecryptError::Sops(SopsError::MacMismatch { .. }) => FileProblem::WrongMac,
            error => FileProblem::NotOpened(error),
        };
        Some(((*path).to_owned(), problem))
    });
    problems.collect()
}
