//! What is decided in a situation, without a cluster and without files.

use std::path::{Path, PathBuf};

use super::survey::{KeyChange, Situation};
use super::{CopyPolicy, NewKey, Refusal, RotateRequest, RotationPlan, Step, plan};
use crate::core::cluster::{SecretName, StoredSecret};
use crate::core::encrypted::Format;
use crate::core::flux_secret::Manager;
use crate::core::flux_secret::{KeySecret, SecretCopy};
use crate::core::identity::{Identity, Recipient};
use crate::core::reencrypt::{
    Affected, AffectedFile, ConfigEdit, Consent, Decision, FailedFile, FileReencryptError,
    RepositoryFiles,
};
use crate::core::sops_config::SopsConfig;

fn name(namespace: &str) -> SecretName {
    SecretName {
        namespace: namespace.to_owned(),
        name: "sops-age".to_owned(),
    }
}

fn recipient(identity: &Identity) -> Recipient {
    identity.recipient().expect("X25519").clone()
}

fn journal(namespace: &str, entries: &[(&str, &Identity)]) -> KeySecret {
    let entries: Vec<_> = entries
        .iter()
        .map(|(entry, identity)| (*entry, identity.key().expose()))
        .collect();
    KeySecret::of(name(namespace), StoredSecret::of(&entries)).expect("keys")
}

fn request(copies: CopyPolicy) -> RotateRequest {
    RotateRequest {
        secret: name("flux-system"),
        tree: RepositoryFiles {
            roots: vec![PathBuf::from("/repo")],
            config: PathBuf::from("/repo/.sops.yaml"),
            named: None,
            skip: Vec::new(),
            git: None,
        },
        key: NewKey::Generate,
        copies,
        ignore_mac: false,
        consent: Consent::default(),
    }
}

/// A cluster with these keys, and a repository with one file that names `known`.
fn situation(entries: &[(&str, &Identity)], known: &Identity) -> Situation {
    let journal = journal("flux-system", entries);
    let keys = KeyChange::new(&journal.secret, &journal.keys, &NewKey::Generate).expect("keys");
    let file = AffectedFile {
        path: PathBuf::from("/repo/a.yaml"),
        format: Format::Yaml,
        config: None,
        decision: Decision::default(),
        parsed: None,
    };
    Situation {
        keys,
        affected: Affected {
            files: vec![file],
            named: [recipient(known)].into(),
            ..Affected::default()
        },
        managed: Vec::new(),
        manifests: Vec::new(),
        similar: Vec::new(),
        copies: Vec::new(),
        copies_unseen: false,
        journal,
    }
}

fn copy(key: &Identity) -> SecretCopy {
    SecretCopy {
        secret: name("apps"),
        used_by: vec!["apps/a".to_owned()],
        journal: Some(journal("apps", &[("age.agekey", key)])),
    }
}

fn refusal(situation: Situation, copies: CopyPolicy) -> Refusal {
    let decided: Result<RotationPlan, Refusal> = plan(situation, &request(copies));
    decided.err().expect("refused")
}

#[test]
fn the_cluster_has_the_key_before_files_change_and_shows_it_before_it_is_promoted() {
    let [old, retired] = [(); 2].map(|()| Identity::generate().0);
    let entries = [("age.agekey", &old), ("age.previous.agekey", &retired)];
    let mut situation = situation(&entries, &old);
    situation.copies.push(copy(&old));
    let config = SopsConfig::from_bytes(Path::new("/repo/.sops.yaml"), Vec::new());
    let config = config.expect("a config");
    situation.affected.configs.push(ConfigEdit {
        before: config.clone(),
        after: config,
    });
    let plan = plan(situation, &request(CopyPolicy::All)).expect("a plan");
    assert_eq!(plan.old(), [recipient(&old), recipient(&retired)]);
    let file = plan.targets.files[0].clone();
    let expected = [
        Step::AddKey(name("flux-system")),
        Step::AddKey(name("apps")),
        Step::Reencrypt(file),
        Step::EditConfig(PathBuf::from("/repo/.sops.yaml")),
        Step::ShowKey,
        Step::Promote(name("apps")),
        Step::Promote(name("flux-system")),
    ];
    assert_eq!(plan.steps(), expected);
}

#[test]
fn a_rotation_that_is_under_way_is_gone_on_with() {
    let [old, next] = [(); 2].map(|()| Identity::generate().0);
    let entries = [("age.agekey", &old), ("age.next.agekey", &next)];
    let plan = plan(situation(&entries, &old), &request(CopyPolicy::Refuse)).expect("a plan");
    assert!(plan.is_resumed());
    assert_eq!(plan.new_recipient(), &recipient(&next));
    assert!(!plan.steps().contains(&Step::AddKey(name("flux-system"))));
}

#[test]
fn the_repository_must_know_a_key_that_is_in_use() {
    let [current, retired, other] = [(); 3].map(|()| Identity::generate().0);
    let entries = [("age.agekey", &current), ("age.previous.agekey", &retired)];
    let mut unknown = situation(&entries, &other);
    unknown.affected.named.clear();
    let refused = refusal(unknown, CopyPolicy::Refuse);
    assert!(matches!(refused, Refusal::WrongCluster { .. }), "{refused}");
    let refused = refusal(situation(&entries, &retired), CopyPolicy::Refuse);
    assert!(matches!(refused, Refusal::Behind { .. }), "{refused}");
}

#[test]
fn whatever_would_bring_the_old_key_back_is_refused() {
    let old = Identity::generate().0;
    let here = || situation(&[("age.agekey", &old)], &old);
    let mut managed = here();
    managed
        .managed
        .push((name("flux-system"), vec![Manager::Helm]));
    let refused = refusal(managed, CopyPolicy::OnlyThis);
    assert!(matches!(refused, Refusal::Managed { .. }), "{refused}");
    let mut in_repository = here();
    in_repository.manifests.push("/repo/key.yaml".into());
    let refused = refusal(in_repository, CopyPolicy::Refuse);
    assert!(matches!(refused, Refusal::InRepository { .. }), "{refused}");
    let mut copied = here();
    copied.copies.push(copy(&old));
    let refused = refusal(copied, CopyPolicy::Refuse);
    assert!(matches!(refused, Refusal::Copies(_)), "{refused}");
    let mut unreadable = here();
    unreadable.copies.push(SecretCopy {
        journal: None,
        ..copy(&old)
    });
    let refused = refusal(unreadable, CopyPolicy::All);
    assert!(matches!(refused, Refusal::UnreadableCopies(_)), "{refused}");
}

/// A manager of a copy that stays as it is stands in nobody's way.
#[test]
fn a_copy_that_is_left_alone_may_be_managed() {
    let old = Identity::generate().0;
    let mut situation = situation(&[("age.agekey", &old)], &old);
    situation.copies.push(copy(&old));
    situation.managed.push((name("apps"), vec![Manager::Helm]));
    let plan = plan(situation, &request(CopyPolicy::OnlyThis)).expect("a plan");
    assert_eq!(plan.remarks.copies_left.len(), 1);
}

#[test]
fn a_file_that_cannot_be_replaced_stops_it_and_one_that_is_left_does_not() {
    let old = Identity::generate().0;
    let mut situation = situation(&[("age.agekey", &old)], &old);
    situation.affected.left.push(FailedFile {
        path: "/repo/c.yaml".into(),
        why: FileReencryptError::NotForCluster,
    });
    situation.affected.troubles.push(FailedFile {
        path: "/repo/b.yaml".into(),
        why: FileReencryptError::NotForCluster,
    });
    let refused = refusal(situation, CopyPolicy::Refuse);
    assert!(matches!(refused, Refusal::Files(troubles) if troubles.len() == 1));
}
