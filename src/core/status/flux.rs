//! Flux's Kustomizations: whether they decrypt what they apply, and with which Secret.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::pending::{self, Pending};
use super::{StatusReport, StatusRequest};
use crate::core::audit::{EncryptedContent, FileContent};
use crate::core::cluster::{Cluster, ClusterError, Kustomization, SecretName, SourceRef};
use crate::core::encrypted::Format;
use crate::core::flux_secret::ClusterKeys;
use crate::core::git::{Git, commit_of};
use crate::core::identity::{Identity, Recipient};
use crate::core::kustomize::{Applied, BuildFault, Reading};

/// What is wrong with a Kustomization. Its name is `namespace/name`.
#[derive(Debug)]
pub enum FluxProblem {
    /// It applies encrypted files, and does not decrypt.
    NoDecryption {
        /// The Kustomization.
        kustomization: String,
        /// The first of the files.
        file: PathBuf,
    },
    /// It decrypts with another Secret, which is not there.
    SecretMissing {
        /// The Kustomization.
        kustomization: String,
        /// The Secret that it names.
        secret: SecretName,
        /// The recipient of the cluster's key, where it is known.
        key: Option<Recipient>,
    },
    /// It decrypts and names no Secret, and the controller has no option for one.
    NoSecretNamed {
        /// The Kustomization.
        kustomization: String,
        /// A file that it applies, and that is for the cluster's key.
        file: PathBuf,
    },
    /// It decrypts with another Secret, which does not hold the cluster's key.
    OtherSecret {
        /// The Kustomization.
        kustomization: String,
        /// The Secret that it names.
        secret: SecretName,
        /// A file that it applies, and that is for the cluster's key.
        file: PathBuf,
    },
    /// Flux does not decrypt an encrypted file that it reads, and applies the ciphertext.
    NotDecrypted {
        /// The Kustomization.
        kustomization: String,
        /// The file.
        file: PathBuf,
        /// The field of a kustomization that names it.
        field: &'static str,
    },
    /// Flux would decrypt a file in another format than the one it is encrypted in, and so
    /// applies the ciphertext, or fails.
    OtherFormat {
        /// The Kustomization.
        kustomization: String,
        /// The file.
        file: PathBuf,
        /// The format that Flux expects.
        expected: Format,
        /// The format that it is encrypted in.
        encrypted: Format,
    },
    /// An encrypted file contains a document that is not an object of Kubernetes, which
    /// kustomize refuses.
    NotAnObject {
        /// The Kustomization.
        kustomization: String,
        /// The file.
        file: PathBuf,
        /// The number of the document, from 1.
        document: usize,
    },
    /// kustomize cannot build what it applies.
    NotBuilt {
        /// The Kustomization.
        kustomization: String,
        /// Why.
        fault: BuildFault,
    },
    /// It is not ready, because it could not decrypt.
    Failed {
        /// The Kustomization.
        kustomization: String,
        /// In its own words.
        message: String,
    },
}

/// Words in the messages of kustomize-controller that are about decryption.
const ABOUT_DECRYPTION: [&str; 3] = ["decrypt", "sops data key", "sops encrypted"];

/// The Kustomizations, and which of them apply files of this repository.
pub(super) struct Flux {
    all: Vec<(Kustomization, FluxSource)>,
}

/// Where a Kustomization has its files from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FluxSource {
    /// This repository.
    Here,
    /// Another one.
    Elsewhere,
    /// That cannot be told.
    Unknown,
}

impl Flux {
    pub(super) fn new(
        cluster: &Cluster,
        request: &StatusRequest<'_>,
        kustomizations: Vec<Kustomization>,
    ) -> Result<Self, ClusterError> {
        let git = request.git.as_ref();
        let remotes = git.and_then(|git| git.remotes().ok()).unwrap_or_default();
        let remotes: Vec<String> = remotes.iter().map(|url| place_of(url)).collect();
        let mut urls: BTreeMap<SourceRef, Option<String>> = BTreeMap::new();
        let mut commits = Commits {
            git,
            known: BTreeMap::new(),
        };
        let mut all = Vec::new();
        for found in kustomizations {
            let origin = match commits.has_one_of(&found) {
                true => FluxSource::Here,
                false => {
                    let known = urls.get(&found.source).cloned();
                    let url = match known {
                        Some(url) => url,
                        None => cluster.git_url(&found.source)?,
                    };
                    urls.insert(found.source.clone(), url.clone());
                    match url {
                        Some(_) if remotes.is_empty() => FluxSource::Unknown,
                        Some(url) if remotes.contains(&place_of(&url)) => FluxSource::Here,
                        // One host may have several names.
                        Some(url)
                            if remotes.iter().any(|remote| {
                                remote.rsplit('/').next() == place_of(&url).rsplit('/').next()
                            }) =>
                        {
                            FluxSource::Unknown
                        }
                        Some(_) => FluxSource::Elsewhere,
                        None => FluxSource::Unknown,
                    }
                }
            };
            all.push((found, origin));
        }
        Ok(Self { all })
    }

    /// The commits of this repository that its Kustomizations have not applied yet.
    pub(super) fn pending(&self, request: &StatusRequest<'_>) -> Vec<Pending> {
        let here = self
            .all
            .iter()
            .filter(|(_, origin)| *origin == FluxSource::Here);
        pending::find(request, here.map(|(found, _)| found))
    }

    /// The Secrets that Kustomizations decrypt with.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.all
            .iter()
            .filter_map(|(found, _)| found.secret.as_ref())
    }

    /// Whether only Kustomizations of other repositories decrypt with the Secret.
    pub(super) fn is_others(&self, secret: &SecretName) -> bool {
        let users = self.all.iter();
        let mut users = users
            .filter(|(found, _)| found.secret.as_ref() == Some(secret))
            .peekable();
        users.peek().is_some() && users.all(|(_, origin)| *origin == FluxSource::Elsewhere)
    }

    pub(super) fn look(
        &self,
        cluster: &Cluster,
        request: &StatusRequest<'_>,
        keys: Option<&ClusterKeys>,
        status: &mut StatusReport,
    ) -> Result<(), ClusterError> {
        let held = keys.map(ClusterKeys::recipients).unwrap_or_default();
        let encrypted = encrypted(request);
        for (found, origin) in &self.all {
            let name = format!("{}/{}", found.namespace, found.name);
            let failure = found.failure.as_ref();
            if let Some(message) = failure.filter(|text| is_about_decryption(text, found)) {
                status.flux.push(FluxProblem::Failed {
                    kustomization: name.clone(),
                    message: message.clone(),
                });
            }
            if *origin == FluxSource::Elsewhere {
                continue;
            }
            let files = &request.audit.paths;
            let built = Applied::new(files, &request.root, &found.path, &found.components);
            let faults = built.faults.into_iter().map(|fault| FluxProblem::NotBuilt {
                kustomization: name.clone(),
                fault,
            });
            status.flux.extend(faults);
            let mut applied: Vec<(PathBuf, bool)> = Vec::new();
            for (path, readings) in built.files {
                let Some(file) = encrypted.get(&path) else {
                    continue;
                };
                let recipients = file.file.metadata.recipients();
                let is_ours = recipients.iter().any(|key| held.contains(key));
                match misread(&name, &path, file, &readings) {
                    // A file of that path may be another repository's.
                    Some(problem) if is_ours || *origin == FluxSource::Here => {
                        status.flux.push(problem);
                    }
                    Some(_) => {}
                    None => applied.push((path, is_ours)),
                }
            }
            let first = applied.iter().find(|(_, is_ours)| *is_ours);
            // A directory of that name may be another repository's.
            let first = match (first, origin) {
                (None, FluxSource::Here) => applied.first(),
                (first, _) => first,
            };
            let Some((file, is_ours)) = first else {
                continue;
            };
            let applied = AppliesEncrypted {
                kustomization: name,
                decrypts: found.decrypts,
                secret: found.secret.as_ref(),
                file,
                is_ours: *is_ours,
            };
            applied.look(cluster, request, keys, status)?;
        }
        Ok(())
    }
}

/// A Kustomization that applies an encrypted file.
struct AppliesEncrypted<'a> {
    kustomization: String,
    decrypts: bool,
    /// The Secret that it names.
    secret: Option<&'a SecretName>,
    file: &'a Path,
    /// Whether a key of the cluster opens the file.
    is_ours: bool,
}

impl AppliesEncrypted<'_> {
    fn look(
        self,
        cluster: &Cluster,
        request: &StatusRequest<'_>,
        keys: Option<&ClusterKeys>,
        status: &mut StatusReport,
    ) -> Result<(), ClusterError> {
        let kustomization = self.kustomization;
        let file = self.file.to_owned();
        if !self.decrypts {
            status.flux.push(FluxProblem::NoDecryption {
                kustomization,
                file,
            });
            return Ok(());
        }
        if !self.is_ours {
            return Ok(());
        }
        let secret = match self.secret {
            Some(named) => named.clone(),
            None => match fallback(status) {
                Fallback::Secret(secret) => secret,
                Fallback::None => {
                    status.flux.push(FluxProblem::NoSecretNamed {
                        kustomization,
                        file,
                    });
                    return Ok(());
                }
                Fallback::Unknown => {
                    status.fallback_unseen.push(kustomization);
                    return Ok(());
                }
            },
        };
        if secret == request.secret {
            return Ok(());
        }
        let active = keys.into_iter().flat_map(ClusterKeys::active);
        let mut active = active.filter_map(Identity::recipient);
        match cluster.secret(&secret) {
            Ok(None) => status.flux.push(FluxProblem::SecretMissing {
                kustomization,
                secret,
                key: active.next().cloned(),
            }),
            Ok(Some(stored)) => {
                let its = ClusterKeys::read(&secret, &stored).ok();
                let its = its.map(|keys| keys.recipients()).unwrap_or_default();
                if !active.all(|key| its.contains(key)) {
                    status.flux.push(FluxProblem::OtherSecret {
                        kustomization,
                        secret,
                        file,
                    });
                }
            }
            Err(ClusterError::Forbidden { .. }) => {
                status.unseen_secrets.push((kustomization, secret));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The Secret that the controller takes where a Kustomization names none.
enum Fallback {
    Secret(SecretName),
    None,
    /// kb may not look, finds no controller, or several with different ones, as shards may
    /// have.
    Unknown,
}

fn fallback(status: &StatusReport) -> Fallback {
    let controllers = status.controllers.as_deref().unwrap_or_default();
    let mut all = controllers.iter().map(|controller| &controller.fallback);
    match all.next() {
        Some(first) if all.all(|other| other == first) => {
            first.clone().map_or(Fallback::None, Fallback::Secret)
        }
        _ => Fallback::Unknown,
    }
}

/// The encrypted files.
fn encrypted<'a>(request: &StatusRequest<'a>) -> BTreeMap<&'a PathBuf, &'a EncryptedContent> {
    let files = request.audit.files.iter();
    let encrypted = files.filter_map(|file| match &file.content {
        FileContent::Encrypted(found) => Some((&file.path, &**found)),
        _ => None,
    });
    encrypted.collect()
}

/// Why Flux cannot apply an encrypted file that it reads in these ways, whatever its keys;
/// `None` if it can.
fn misread(
    kustomization: &str,
    path: &Path,
    file: &EncryptedContent,
    readings: &BTreeSet<Reading>,
) -> Option<FluxProblem> {
    let encrypted = file.file.format;
    let in_place = |reading: &Reading| match reading {
        Reading::SecretFile { format, in_place } => *in_place && *format == encrypted,
        Reading::Envs(format) => *format == encrypted,
        Reading::Manifests | Reading::Patch | Reading::AsIs(_) => false,
    };
    let is_decrypted_in_place = readings.iter().any(in_place);
    readings.iter().find_map(|reading| {
        let kustomization = kustomization.to_owned();
        let path = path.to_owned();
        match reading {
            Reading::Manifests => Some(FluxProblem::NotAnObject {
                kustomization,
                file: path,
                document: file.not_an_object?,
            }),
            Reading::SecretFile { format, .. } if !converts(encrypted, *format) => {
                Some(FluxProblem::OtherFormat {
                    kustomization,
                    file: path,
                    expected: *format,
                    encrypted,
                })
            }
            Reading::Envs(_) if encrypted != Format::Dotenv || !is_decrypted_in_place => {
                Some(FluxProblem::OtherFormat {
                    kustomization,
                    file: path,
                    expected: Format::Dotenv,
                    encrypted,
                })
            }
            Reading::AsIs(field) if !is_decrypted_in_place => Some(FluxProblem::NotDecrypted {
                kustomization,
                file: path,
                field,
            }),
            Reading::Patch | Reading::SecretFile { .. } | Reading::Envs(_) | Reading::AsIs(_) => {
                None
            }
        }
    })
}

/// Whether Flux can deliver an entry of a Secret in this format: it decrypts what it finds,
/// and writes it in the format of the entry's key.
fn converts(encrypted: Format, delivered: Format) -> bool {
    let is_tree = |format| matches!(format, Format::Yaml | Format::Json);
    encrypted == delivered || (is_tree(delivered) && encrypted != Format::Binary)
}

fn is_about_decryption(message: &str, of: &Kustomization) -> bool {
    // Of a Secret that is not there, the server's words are all it says.
    let secret = of.secret.as_ref();
    let missing = secret.map(|secret| format!("\"{}\" not found", secret.name));
    let message = message.to_lowercase();
    let mut words = ABOUT_DECRYPTION.into_iter().chain(missing.as_deref());
    words.any(|words| message.contains(words))
}

/// Which commits are in this clone, each asked for once.
struct Commits<'g> {
    git: Option<&'g Git>,
    known: BTreeMap<String, bool>,
}

impl Commits<'_> {
    /// Whether a revision that the Kustomization has applied, or tried to, is in it.
    fn has_one_of(&mut self, found: &Kustomization) -> bool {
        let revisions = [
            &found.applied_origin,
            &found.applied_revision,
            &found.attempted_revision,
        ];
        let commits = revisions.into_iter().flatten();
        let mut commits = commits.filter_map(|revision| commit_of(revision));
        commits.any(|commit| self.has(commit))
    }

    fn has(&mut self, commit: &str) -> bool {
        if let Some(known) = self.known.get(commit) {
            return *known;
        }
        // What git cannot tell is unknown, and looked at by what it applies.
        let has = self
            .git
            .is_some_and(|git| git.has_commit(commit).unwrap_or(false));
        self.known.insert(commit.to_owned(), has);
        has
    }
}

/// The host and path of a repository's URL, in whichever of Git's forms it is written:
/// `ssh://git@host/path`, `git@host:path`, `https://host/path.git`.
fn place_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let is_scp_like = !url.contains("://");
    let is_of_user = |at: &usize| !rest[..*at].contains('/');
    let user = rest.find('@').filter(is_of_user);
    let rest = user.map_or(rest, |at| &rest[at + 1..]);
    let (host, path) = match (rest.split_once(':'), is_scp_like) {
        (Some((host, path)), true) => (host, path),
        _ => rest.split_once('/').unwrap_or((rest, "")),
    };
    // Behind the host there may be a port.
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let path = path.trim_matches('/').trim_end_matches(".git");
    format!("{host}/{path}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_the_same_however_its_url_is_written() {
        for url in [
            "ssh://git@github.com/org/fleet",
            "ssh://git@github.com:22/org/fleet.git",
            "git@github.com:org/fleet.git",
            "https://github.com/org/fleet",
            "https://token@GitHub.com/org/fleet.git/",
        ] {
            assert_eq!(place_of(url), "github.com/org/fleet", "{url}");
        }
        assert_eq!(place_of("https://h/org/re@po"), "h/org/re@po");
        assert_ne!(
            place_of("https://github.com/org/other"),
            "github.com/org/fleet"
        );
    }

    #[test]
    fn what_flux_says_of_decryption_is_told_from_the_rest() {
        let found = Kustomization {
            namespace: "apps".into(),
            name: "apps".into(),
            decrypts: true,
            secret: Some(SecretName {
                namespace: "apps".into(),
                name: "sops-age".into(),
            }),
            applied_revision: None,
            applied_origin: None,
            attempted_revision: None,
            path: String::new(),
            components: Vec::new(),
            source: SourceRef::default(),
            failure: None,
        };
        for message in [
            "decryption failed for 'Secret.v1.[noGrp]/db': cannot get sops data key",
            "Secret \"sops-age\" not found",
            "Secret/apps/db is SOPS encrypted, configuring decryption is required for this secret to be reconciled",
        ] {
            assert!(is_about_decryption(message, &found), "{message}");
        }
        for message in [
            "health check failed for Deployment/apps/sops-operator",
            "ConfigMap \"x\" not found",
        ] {
            assert!(!is_about_decryption(message, &found), "{message}");
        }
    }
}
