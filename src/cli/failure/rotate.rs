//! Hints for what stops a rotation.

use super::config::replace_hint;
use super::files::to_utf8;
use super::git::git_hint;
use super::secret::{remove_entry, remove_lines};
use super::{Failure, file_list};
use crate::cli::message::Hint;
use crate::cli::message::command::{kb, kubectl};
use crate::cli::message::hints::{describe, import, managed_fields, rotate, use_existing};
use crate::cli::message::safe_text::one_line;
use crate::core::cluster::SecretName;
use crate::core::encrypted::{FileError, OpenError, Tampered, Unsupported};
use crate::core::flux_secret::{JournalError, NEXT_ENTRY, SecretCopy};
use crate::core::readers::Reader;
use crate::core::reencrypt::{FailedFile, FileReencryptError, ReencryptError, UndecidedReason};
use crate::core::rotate::{BadKeys, Refusal, RotateError};
use crate::core::sops::SopsError;

/// So many files are named.
const SHOWN: usize = 50;

const NOTHING_CHANGED: &str = "nothing was changed: run it again when that is fixed";
const AGAIN: &str = "then run it again, with the same options; it goes on with the same key:";

impl From<RotateError> for Failure {
    fn from(error: RotateError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            RotateError::Refused(error) => error.into(),
            RotateError::Fetch(error) => error.into(),
            RotateError::Journal(error) => error.into(),
            RotateError::Reencrypt(error) => Self::from(error).hint(NOTHING_CHANGED),
            RotateError::Stopped => failure.hint("run it again: nothing is left of it"),
            RotateError::Uncertain { secret, .. } => failure
                .hint_command(
                    "no file was changed; when the cluster answers, run it again, and it goes on with whatever is there:",
                    rotate())
                .hint_command(
                    "to see whether there is an entry age.next.agekey:",
                    describe(&secret)),
            RotateError::Interrupted { source } => {
                let of_files = matches!(*source, RotateError::Reencrypt(_));
                let mut failure = match *source {
                    RotateError::Reencrypt(error) => error.into(),
                    source => Self::from(source),
                };
                let message = failure.message.take().unwrap_or_default();
                failure.message = Some(format!("the rotation is not finished: {message}"));
                if of_files {
                    failure = failure.hint(
                        "every file opens with a key that the cluster holds: the old one or the new one",
                    );
                }
                failure.hint_command(AGAIN, rotate())
            }
            RotateError::Copy { secret, .. } => failure.hint_copy(&secret),
            RotateError::NotPromoted {
                secret,
                is_copy: true,
                ..
            } => failure
                .hint("all files are for the new key, and the Secret itself holds it beside the old one")
                .hint_copy(&secret)
                .hint_command(AGAIN, rotate()),
            RotateError::NotPromoted { source, .. } => match *source {
                JournalError::Cluster(_) | JournalError::Fetch(_) | JournalError::Busy { .. } => {
                    failure
                        .hint("all files are for the new key, and the cluster holds it beside the old one: Flux can go on")
                        .hint_command(AGAIN, rotate())
                }
                JournalError::Overtaken { .. } => failure
                    .hint("someone else has finished this rotation, and begun another one: git pull")
                    .hint_command(
                        "when theirs is finished, to move this clone to the new key:",
                        use_existing()),
                JournalError::Vanished { .. } => failure.hint_command(
                    "all files are for the key that was shown; to put it back:",
                    import()),
            },
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            JournalError::Cluster(error) => error.into(),
            JournalError::Fetch(error) => error.into(),
            JournalError::Vanished { .. } => {
                failure.hint_command("to put a key back from your password manager:", import())
            }
            JournalError::Overtaken { .. } => failure
                .hint("someone else may have rotated it: git pull, and look at .sops.yaml")
                .hint_command("to move this clone to the cluster's key:", use_existing()),
            JournalError::Busy { secret } => {
                failure.hint_command("to see who changes it:", managed_fields(&secret))
            }
        }
    }
}

impl From<ReencryptError> for Failure {
    fn from(error: ReencryptError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            ReencryptError::Files(troubles) => {
                failure.with_troubles(&troubles.iter().collect::<Vec<_>>())
            }
            ReencryptError::Config(error) => error.into(),
            ReencryptError::Edit(error) => error.into(),
            ReencryptError::Replace(error) => error.into(),
            ReencryptError::Git(error) => failure.hint(git_hint(&error)),
            ReencryptError::Unread(paths) => failure.detail(&file_list("", &paths)).hint(
                "files there may still be for the old key: put them back, or make them readable",
            ),
            ReencryptError::Stopped => failure.hint("run it again"),
            ReencryptError::Unsettled { files, .. } => failure.detail(&file_list("", &files)).hint(
                "end what changes them, such as an editor or a git operation, and run it again",
            ),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let failure = Self::from_error(&refusal);
        match refusal {
            Refusal::Keys(error) => error.into(),
            Refusal::WrongCluster { unread, .. } => failure
                .detail(&file_list("cannot be read: ", &unread))
                .hint("--context chooses another cluster; or cd to the repository that is for this one")
                .hint_command(
                    "if this repository is to be for it:",
                    kb("k secrets init --use-existing --path-regex RE")),
            Refusal::Behind { .. } => failure
                .hint("git pull: someone else has rotated the key")
                .hint_command(
                    "if there is nothing to pull, to move this clone to the current key:",
                    use_existing()),
            Refusal::Managed { secret, .. } => failure
                .hint("change the key where its manager reads it, or remove the Secret from that manager first")
                .hint_command(
                    "to see who manages it:",
                    managed_fields(&secret)),
            Refusal::InRepository { files, .. } => failure
                .detail(&file_list("", &files))
                .hint("remove it from the repository, and from the kustomization that applies it (annotate the Secret with kustomize.toolkit.fluxcd.io/prune: disabled first)"),
            Refusal::Immutable {
                secret,
                is_copy: true,
            } => failure.hint_copy(&secret),
            Refusal::Immutable { secret, .. } => failure
                .hint_command(
                    "an immutable Secret can only be deleted and created again; to show its keys, for your password manager:",
                    kb("k secrets key"))
                .hint_command(
                    "then:",
                    kubectl(format!("-n {} delete secret {}", secret.namespace, secret.name)))
                .hint_command("and with the current key on stdin:", import()),
            Refusal::Files(troubles) => failure
                .with_troubles(&troubles.iter().collect::<Vec<_>>())
                .hint("--skip PATH leaves a file for the old key, which stays in the cluster until it is pruned")
                .hint(NOTHING_CHANGED),
            Refusal::Copies(copies) => failure
                .detail(&copy_list(&copies))
                .hint("--all-copies rotates in them too; --only-this leaves them, for one that a controller mirrors, for instance"),
            Refusal::UnreadableCopies(copies) => failure
                .detail(&copy_list(&copies))
                .hint("ask for the right to get and update them; --only-this leaves them as they are"),
            Refusal::UnfitCopy { secret, .. } => failure
                .hint_command(
                    "to see what it holds:",
                    describe(&secret))
                .hint("-n and --secret-name rotate it by itself; --only-this leaves it as it is"),
            Refusal::KeyIsMissing { files } => failure
                .detail(&file_list("", &files))
                .hint_command(
                    "if the cluster was rebuilt and you have its key still:",
                    import())
                .hint_command(
                    "if it is a new cluster, and those files are another's:",
                    kb("k secrets init")),
        }
    }
}

impl From<BadKeys> for Failure {
    fn from(error: BadKeys) -> Self {
        let failure = Self::from_error(&error);
        match error {
            BadKeys::Lines { secret, lines } => {
                let hints = remove_lines(&secret, &lines);
                let lines = lines
                    .iter()
                    .map(|bad| format!("\n  {}, line {}: {}", bad.entry, bad.line, bad.reason));
                failure
                    .detail(&lines.collect::<String>())
                    .hint("a rotation would lose them")
                    .hints_of(hints)
            }
            BadKeys::UnknownRecipient => failure.hint_command(
                "to move its files by hand:",
                kb("k secrets exec -- sops rotate --in-place --add-age NEW --rm-age OLD FILE"),
            ),
            BadKeys::NewUnknown => failure.hint_command(
                "make an X25519 key: age-keygen |",
                kb("k secrets init --force --import"),
            ),
            BadKeys::NextUnknown(secret) => failure.hints_of(vec![remove_entry(
                "if no file is for it, to remove the entry:",
                &secret,
                NEXT_ENTRY,
            )]),
            BadKeys::OtherUnderWay(_) => {
                failure.hint_command("to finish that one first:", rotate())
            }
            BadKeys::Same(_) => {
                failure.hint_command("to move this repository to it:", use_existing())
            }
        }
    }
}

impl Failure {
    /// What to do about a copy that does not take part.
    fn hint_copy(self, secret: &SecretName) -> Self {
        self.hint_command("to see what became of it:", describe(secret))
            .hint("--only-this, instead of --all-copies, goes on without the copies")
    }

    /// Names each file and what is wrong with it, and says once for each kind what
    /// to do.
    pub(in crate::cli) fn with_troubles(self, troubles: &[&FailedFile]) -> Self {
        let lines = troubles
            .iter()
            .take(SHOWN)
            .map(|trouble| trouble_line(trouble));
        let mut text: String = lines.collect();
        if troubles.len() > SHOWN {
            text.push_str(&format!("\n  and {} more", troubles.len() - SHOWN));
        }
        let hints = troubles
            .iter()
            .map(|trouble| hint_of(&trouble.why))
            .collect();
        self.detail(&text).hints_of(hints)
    }
}

/// A file, and what is wrong with it.
fn trouble_line(trouble: &FailedFile) -> String {
    let reason = Failure::from_error(&trouble.why)
        .message
        .unwrap_or_default();
    let reason = reason.replace('\n', "\\n");
    let path = one_line(&trouble.path);
    match &trouble.why {
        FileReencryptError::Open(OpenError::Tampered(tampered)) => {
            let place = tampered.position().in_file(&trouble.path);
            format!("\n  {}: {reason}", one_line(place.as_ref()))
        }
        _ if reason.contains(&path) => format!("\n  {reason}"),
        _ => format!("\n  {path}: {reason}"),
    }
}

/// What to do about a file.
fn hint_of(why: &FileReencryptError) -> Hint {
    let text = match why {
        FileReencryptError::Undecided(undecided) => return hint_of_undecided(undecided),
        FileReencryptError::Sops(SopsError::MacMismatch { .. }) => {
            "git log -p shows how a file was changed; --ignore-mac re-encrypts it all the same, and gives it a new MAC"
        }
        FileReencryptError::Replace(error) => return Hint::Text(replace_hint(error).to_string()),
        FileReencryptError::File(FileError::Conflict { .. }) => {
            "finish the merge: git checkout --ours -- PATH takes one side of a file, --theirs the other"
        }
        FileReencryptError::File(FileError::PlainFirst { .. }) => {
            "move what is not encrypted into a file of its own: then the rest can be re-encrypted"
        }
        FileReencryptError::File(FileError::Encoding { path, encoding, .. }) => {
            return Hint::Text(to_utf8(path, *encoding));
        }
        FileReencryptError::File(_) => "git log -p shows how the file was before",
        FileReencryptError::NotForCluster => {
            "git log -p shows whether the key was removed from its metadata; if not, someone who can read the file must add this cluster's key"
        }
        FileReencryptError::Changed => "run it again",
        FileReencryptError::Unsure(_) => {
            "git log -p shows how the file was before; sops itself writes no such file"
        }
        FileReencryptError::Sops(_) => {
            return Hint::command(
                "a KMS or PGP recipient must be reachable; to see whether the file opens:",
                kb("k secrets decrypt PATH"),
            );
        }
        FileReencryptError::Open(OpenError::Unsupported(Unsupported::Mac)) => {
            "git log -p shows how the file was changed; without --engine native, sops has the last word"
        }
        FileReencryptError::Open(OpenError::Unsupported(_)) => {
            "without --engine native, sops re-encrypts what kb leaves to it"
        }
        FileReencryptError::Open(OpenError::NoRandomness) => {
            "nothing can be encrypted without them"
        }
        FileReencryptError::Open(OpenError::Tampered(Tampered::Value { .. })) => {
            "git log -p shows how the file was changed: a value cannot be moved or copied in its encrypted form"
        }
        FileReencryptError::LostComment
        | FileReencryptError::Open(OpenError::Tampered(Tampered::Comment { .. })) => {
            "put such a comment back as sops wrote it (git log -p), or remove it; --engine sops keeps it, as a text that nobody can open"
        }
        FileReencryptError::OtherRecipients
        | FileReencryptError::NotForNew
        | FileReencryptError::OtherValues
        | FileReencryptError::StillForOld
        | FileReencryptError::SameDataKey => {
            "--engine sops or another version of sops may do better: sops --version"
        }
    };
    Hint::Text(text.to_owned())
}

/// What to do where someone has to decide about readers: either way.
fn hint_of_undecided(undecided: &UndecidedReason) -> Hint {
    let options = |option: &str, readers: &[Reader]| {
        readers.iter().fold(use_existing(), |command, reader| {
            command.option(option, reader.to_string())
        })
    };
    let text = |text: &str| Hint::Text(text.to_owned());
    match undecided {
        UndecidedReason::ClusterLeaves(readers) => Hint::command(
            "if it is to lose the file (else add it to the file's rule first):",
            options("--drop-reader", readers),
        ),
        UndecidedReason::UnknownReaders(readers) => Hint::command(
            "if it may go on reading the file (else --drop-reader, or add a rule for the file):",
            options("--keep-reader", readers),
        ),
        UndecidedReason::Unreviewed(readers) => Hint::command(
            "if it is to read the file (else git diff shows how .sops.yaml was changed):",
            options("--accept-reader", readers),
        ),
        UndecidedReason::Unclear(_) => {
            text("write the whole fingerprint in .sops.yaml, or --drop-reader it")
        }
        UndecidedReason::OtherRule(_) => text(
            "if the file is in the wrong place, move it back (git log --follow -- PATH); if it is for another cluster, decrypt it here, and save it with edit and that cluster's --context",
        ),
        UndecidedReason::Broken(_) => Hint::command("fix .sops.yaml, then:", use_existing()),
        UndecidedReason::Server(readers) => {
            let servers = readers.iter().filter_map(Reader::server);
            let command = servers.fold(use_existing(), |command, server| {
                command.option("--allow-server", server.to_string())
            });
            Hint::command("if that server may be used:", command)
        }
    }
}

fn copy_list(copies: &[SecretCopy]) -> String {
    let line =
        |copy: &SecretCopy| format!("\n  {}, used by {}", copy.secret, copy.used_by.join(", "));
    copies.iter().map(line).collect()
}
