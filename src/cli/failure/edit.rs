//! Hints for what stops `edit`.

use super::Failure;
use super::config::rule_list;
use super::git::git_hint;
use crate::cli::k::secrets::drafts::words;
use crate::cli::message::command::{kb, quoted};
use crate::cli::message::hints::{OTHER_CLUSTER, add_rule, use_existing};
use crate::cli::readers::mismatch_words;
use crate::core::decrypt::DecryptError;
use crate::core::drafts::DraftOpenError;
use crate::core::edit::{EditError, KeptDraft};
use crate::core::editor::EditorError;
use crate::core::identity::Recipient;
use crate::core::private_dir::PlaceError;
use crate::core::replace::ReplaceError;
use crate::core::sops::SopsError;

/// How a text is saved without a person.
const PIPE: &str = "to pipe a text in: EDITOR='cp /dev/stdin'";

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            EditError::File(error) => error.into(),
            EditError::Config(error) => error.into(),
            EditError::Decrypt(DecryptError::Sops(SopsError::MacMismatch { file })) => failure
                .hint("git log -p shows how it was changed; Flux applies it all the same, for it does not check the MAC")
                .hint(format!(
                    "--ignore-mac opens it, and saving it writes a new MAC: check each value of {} first",
                    file.display()
                )),
            EditError::Decrypt(error) => error.into(),
            EditError::Sops(error) => error.into(),
            EditError::Replace(error) => error.into(),
            EditError::Place(error) => error.into(),
            EditError::Editor(error) => error.into(),
            EditError::OtherThanRule { mismatch, .. } => {
                let words = mismatch_words(&mismatch).join("; ");
                failure
                    .detail(&format!(": {words}"))
                    .hint_command(
                        "if the rule is right, to re-encrypt the file for its readers first:",
                        use_existing())
                    .hint("if the file is right, change the rule; --keep-readers edits the file as it is")
            }
            EditError::Servers { .. } => failure.hint("if they may be used: --allow-server URL"),
            EditError::Unreviewed(error) => error.into(),
            EditError::Git(error) => failure.hint(git_hint(&error)),
            EditError::DanglingLink { path } => failure.hint(format!(
                "ls -l {} shows where it leads",
                quoted(&path.to_string_lossy())
            )),
            EditError::NoConfig { .. } => failure.hint_command(
                "to give the cluster a key, and the repository a .sops.yaml:",
                kb("k secrets init")),
            EditError::NoRule { rules, .. } if rules.is_empty() => failure.hints_of(vec![add_rule()]),
            EditError::NoRule { rules, .. } => failure
                .detail("; it has")
                .detail(&rule_list(&rules))
                .hint("is the path right? It is taken from the working directory")
                .hints_of(vec![add_rule()]),
            EditError::RuleWithoutKey { .. } => failure.hint_command(
                "to give the cluster a key and put it there:",
                kb("k secrets init")),
            EditError::Retired { .. } => failure.hint_command(
                "to move it, and all others like it, to the current key:",
                use_existing()),
            EditError::Waiting { kept, .. } => {
                let failure = failure.detail(&format!(" ({})", words::ago(kept.head.since)));
                go_on(failure, "to go on with it:", &kept)
            }
            EditError::NothingKept { path } => failure.hint_command(
                "to edit it:",
                kb("k secrets edit").path(&path)),
            EditError::Watch(_) => failure.hint("run it again"),
            EditError::Memory { path, .. } => failure.hint(format!(
                "df {} shows what is left of the memory",
                // The private directory itself is gone by then.
                quoted(&path.ancestors().nth(3).unwrap_or(&path).to_string_lossy())
            )),
            EditError::GivenUp { .. } => failure.hint("edit it again, or leave it as it is"),
            EditError::NotRead { .. } => failure
                .hint_command(PIPE, kb("k secrets edit PATH"))
                .hint("if nothing was meant to be piped in: </dev/null"),
            EditError::MacNotFixed { .. } => failure.hint(
                "to fix it, save the text in the editor; if your editor writes only changed text, change it first",
            ),
            EditError::Stopped => failure.hint("edit it again"),
            EditError::Gone { .. } => failure
                .hint("the file is as it was; $EDITOR chooses another editor"),
            EditError::StillOpen { path, .. } => failure.hint_command(
                "close that editor; then, to go on with the text that was saved in it:",
                kb("k secrets edit").path(&path).word("--resume")),
            EditError::Draft(error) => match error {
                DraftOpenError::Read { path, .. } => failure.hint(format!(
                    "to see who can read it: ls -l {}",
                    quoted(&path.to_string_lossy())
                )),
                DraftOpenError::NoKey { .. } => failure
                    .hint_command("to see which keys open it:", kb("k secrets drafts"))
                    .hint(OTHER_CLUSTER),
                DraftOpenError::Damaged { path } => failure.hint(format!(
                    "to see whether age can open it: age --decrypt --identity KEY_FILE {}",
                    quoted(&path.to_string_lossy())
                )),
            },
            EditError::NotRemoved { path, .. } => failure.hint(format!(
                "to remove it: rm {}",
                quoted(&path.to_string_lossy())
            )),
            EditError::Lost { .. } => {
                failure.hint("copy it from the editor's screen, if that still shows it")
            }
            EditError::Resumed { .. } => {
                failure.hint("look for an editor that is still open in another terminal")
            }
            EditError::OtherKeys { before, now, .. } => failure
                .detail(&format!(
                    "\n  it was for  {}\n  it is for   {}",
                    Recipient::list(&before),
                    Recipient::list(&now)
                ))
                .hint(OTHER_CLUSTER),
            EditError::NotOpened { .. } => failure
                .hint("a rule that splits the data key among key_groups, or names another cluster's post-quantum key, is of no use to Flux"),
            EditError::RuleChanged { .. } => {
                failure.hint("see what was changed: git diff .sops.yaml; --resume goes by what it says now")
            }
            EditError::WrongKeys { .. } => {
                failure.hint("was .sops.yaml changed meanwhile? --resume goes by what it says now")
            }
            EditError::Kept { kept, source } => {
                let failure = match *source {
                    // The hints for these are for a text that is gone.
                    EditError::Editor(_)
                    | EditError::GivenUp { .. }
                    | EditError::Stopped
                    | EditError::Replace(ReplaceError::Changed { .. }) => failure,
                    source => source.into(),
                };
                let purpose = format!(
                    "the text is kept {}; to go on with it:",
                    words::place(&kept)
                );
                go_on(failure, &purpose, &kept)
            }
        }
    }
}

/// Adds how to go on with a text that waits.
fn go_on(failure: Failure, purpose: &str, kept: &KeptDraft) -> Failure {
    let path = &kept.head.target;
    failure
        .hint(format!("{purpose} {}", kept.head.resume))
        .hint_command(
            "to throw it away:",
            kb("k secrets edit").path(path).word("--discard"),
        )
}

impl From<EditorError> for Failure {
    fn from(error: EditorError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            EditorError::NoTerminal => failure.hint_command(PIPE, kb("k secrets edit PATH")),
            EditorError::None => failure.hint("export EDITOR=nano, or another one that is there"),
            EditorError::Quotes { variable } => {
                failure.hint(format!("such as: export {variable}='code --wait'"))
            }
            EditorError::NotFound { variable, .. } => failure.hint(format!(
                "export {variable}=nano, or another one that is there; ~ and $ are not expanded"
            )),
            EditorError::DoesNotWait {
                variable,
                command,
                option,
            } => failure.hint(format!(
                "export {variable}={}",
                quoted(&format!("{command} {option}"))
            )),
            EditorError::Start { program, .. } => failure.hint(format!(
                "ls -l {} shows whether it is executable",
                quoted(&program.to_string_lossy())
            )),
            EditorError::Failed { variable, .. } => failure.hint(format!(
                "nothing was changed; ${variable} chooses another editor"
            )),
            EditorError::Stopped => failure.hint("nothing was saved; edit it again"),
        }
    }
}

impl From<PlaceError> for Failure {
    fn from(error: PlaceError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            PlaceError::NoMemory { .. } if !cfg!(target_os = "linux") => failure
                .hint("--allow-disk puts the plaintext into TMPDIR, on whatever disk that is"),
            PlaceError::NoMemory { .. } => failure
                .hint("mount a tmpfs that is yours, and export XDG_RUNTIME_DIR to it")
                .hint("--allow-disk puts the plaintext into TMPDIR, on whatever disk that is"),
            PlaceError::Write { path, .. } => failure.hint(format!(
                "df {} shows what is left there",
                quoted(&path.to_string_lossy())
            )),
        }
    }
}
