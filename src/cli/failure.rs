//! Gives each error of the core its exit code and its hints: what to type next.
//!
//! Every `match` here names all variants, so that a new error cannot forget
//! its hint.

use std::error::Error as StdError;
use std::io;

use super::EXIT_FAILED;
use super::report::Report;
use crate::core::cluster::{ClusterError, KubeconfigError};
use crate::core::decrypt::DecryptError;
use crate::core::flux_secret::{BadLine, CURRENT_ENTRY, KeysError, SecretName};
use crate::core::init::InitError;
use crate::core::replace::ReplaceError;
use crate::core::sops::{MINIMUM_VERSION, SopsError};
use crate::core::sops_config::{ConfigError, EditError, RuleSummary};
use crate::core::sops_file::FileError;

/// What is said when kb gives up.
#[derive(Debug)]
pub struct Failure {
    message: Option<String>,
    hints: Vec<String>,
    exit_code: u8,
}

impl Failure {
    /// A failure in the user's words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
            hints: Vec::new(),
            exit_code: EXIT_FAILED,
        }
    }

    /// An error and the causes beneath it, as one sentence.
    fn from_error(error: &dyn StdError) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self::new(message)
    }

    /// stdout did not take what was asked for. That a reader is gone is its own
    /// choice, and nothing is said of it.
    pub fn stdout(what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                message: None,
                ..Self::new("")
            };
        }
        Self::new(format!("stdout did not take {what}: {error}"))
            .hint("what was written so far is not whole")
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What went wrong.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What to do about it.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

/// The command that prints the private key that a cluster holds.
pub fn show_key_command(secret: &SecretName) -> String {
    format!(
        "kubectl -n {} get secret {} -o jsonpath='{{.data.age\\.agekey}}' | base64 -d",
        secret.namespace, secret.name
    )
}

impl Report {
    /// Warns of a line in the Secret for which Flux refuses all of it.
    pub fn bad_line(&self, secret: &SecretName, bad: &BadLine) {
        self.warning(
            &format!(
                "the Secret {secret}, {}, line {}: {}; Flux refuses the whole Secret for it",
                bad.entry, bad.line, bad.reason
            ),
            Some(&format!(
                "kubectl -n {} edit secret {} takes the line out (the entry is base64)",
                secret.namespace, secret.name
            )),
        );
    }
}

impl From<KubeconfigError> for Failure {
    fn from(error: KubeconfigError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            KubeconfigError::None { .. } => failure
                .hint("--kubeconfig FILE, or KUBECONFIG=FILE, names the kubeconfig of the cluster"),
            KubeconfigError::Read { .. } => failure.hint("--kubeconfig names another file"),
            KubeconfigError::Parse { .. } | KubeconfigError::Merge { .. } => {
                failure.hint("kubectl config view shows what kubectl makes of it")
            }
            KubeconfigError::NoCurrentContext { contexts } => {
                failure.hint(one_of("--context NAME chooses one of", &contexts))
            }
            KubeconfigError::UnknownContext { contexts, .. } => {
                failure.hint(one_of("the contexts there are:", &contexts))
            }
            KubeconfigError::NoServer { .. }
            | KubeconfigError::NoUser { .. }
            | KubeconfigError::Token { .. }
            | KubeconfigError::CertificateAuthority { .. } => {
                failure.hint("kubectl config view shows what stands there")
            }
            KubeconfigError::Url { .. } => failure.hint("it must begin with https:// or http://"),
            KubeconfigError::InCluster { .. } => failure
                .hint("the pod needs a service account token: automountServiceAccountToken: true"),
        }
    }
}

fn one_of(text: &str, names: &[String]) -> String {
    if names.is_empty() {
        return "the kubeconfig has no contexts: --kubeconfig names another file".to_owned();
    }
    format!("{text} {}", names.join(", "))
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            ClusterError::Runtime(_) => failure.hint("the system is short of memory or files"),
            ClusterError::Credentials { .. } => {
                failure.hint("kubectl config view shows what stands in the kubeconfig")
            }
            ClusterError::Login { context, .. } => failure.hint(format!(
                "log in again with the tool that wrote the kubeconfig, then try: kubectl --context {context} get namespaces"
            )),
            ClusterError::Plugin { command, source } => plugin_hint(failure, &command, &source),
            ClusterError::Unreachable { .. } => failure.hint(
                "is the cluster up, and the VPN on? --context chooses another cluster",
            ),
            ClusterError::Timeout { .. } => failure.hint(
                "is the VPN on? --request-timeout waits longer, --context chooses another cluster",
            ),
            ClusterError::Untrusted { .. } => failure.hint(
                "the kubeconfig's certificate-authority must have issued it, for the host in its server",
            ),
            ClusterError::Unauthorized { context, .. } => {
                failure.hint(format!("log in again, then try: kubectl --context {context} auth whoami"))
            }
            ClusterError::Forbidden { denied, .. } => {
                let place = denied.namespace.map(|name| format!(" in the namespace {name}"));
                failure.hint(format!(
                    "ask for a Role with the verb {} on {}{}",
                    denied.verb,
                    denied.resource,
                    place.unwrap_or_default()
                ))
            }
            ClusterError::NamespaceMissing { .. } => {
                failure.hint("-n names another namespace, --context another cluster")
            }
            ClusterError::NotFound { .. } | ClusterError::AlreadyExists { .. } => {
                failure.hint("someone else changed it meanwhile: try again")
            }
            ClusterError::Refused { .. } => {
                failure.hint("the cluster's own rules refuse it: its administrator knows which")
            }
            ClusterError::Answer { .. } => {
                failure.hint("does the kubeconfig's server name a Kubernetes API server?")
            }
        }
    }
}

fn plugin_hint(
    failure: Failure,
    command: &str,
    source: &crate::core::cluster::PluginError,
) -> Failure {
    use crate::core::cluster::PluginError;
    match source {
        PluginError::NotInstalled {
            install_hint: Some(hint),
        } => failure.hint(hint.trim()),
        PluginError::NotInstalled { install_hint: None } => {
            failure.hint(format!("install {command}, or put it on the PATH"))
        }
        PluginError::Start(_) => failure.hint(format!("is {command} executable?")),
        PluginError::Failed(_) | PluginError::Answer => {
            failure.hint("log in again with the tool that wrote the kubeconfig")
        }
        PluginError::NoTerminal => failure.hint("run kb on a terminal"),
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            FileError::Missing { .. } => {
                failure.hint("is the path right? It is taken from the working directory")
            }
            FileError::NotAFile { kind, .. } => failure.hint(match kind {
                "a directory" => "name one file in it",
                _ => "write it to a file first: it is encrypted, so a disk is fine",
            }),
            FileError::Read { .. } => failure.hint("ls -l shows who may read it"),
            FileError::Empty { path } => failure.hint(history_command(&path)),
            FileError::Plaintext { path } => failure.hint(format!(
                "to encrypt it by the rules of .sops.yaml: sops encrypt --in-place {}",
                quoted(&path)
            )),
            FileError::Damaged { path, .. } => failure.hint(history_command(&path)),
        }
    }
}

/// What a file was before.
fn history_command(path: &std::path::Path) -> String {
    format!("to see how it was before: git log -p -- {}", quoted(path))
}

/// A path as a shell takes it.
fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            KeysError::Misnamed { secret } => failure.hint(format!(
                "the entry must be called {CURRENT_ENTRY}: kubectl -n {} edit secret {}",
                secret.namespace, secret.name
            )),
            KeysError::NoEntry { entries, .. } => {
                let there = if entries.is_empty() { "nothing".to_owned() } else { entries.join(", ") };
                failure.hint(format!(
                    "it holds {there}; the key belongs in {CURRENT_ENTRY}. --secret-name and -n name another Secret"
                ))
            }
            KeysError::NoIdentity { .. } => failure.hint(
                "the entry must hold a line AGE-SECRET-KEY-1…, as age-keygen writes it; put it back from your password manager",
            ),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            ConfigError::Read { .. } => failure.hint("ls -l shows who may read it"),
            ConfigError::Parse { .. } => failure.hint("the file's form: https://getsops.io/docs/#using-sopsyaml-conf-to-select-kms-pgp-and-age-for-new-files"),
            ConfigError::Regex { .. } => failure.hint("the syntax is that of https://github.com/google/re2/wiki/Syntax"),
            ConfigError::Recipient { .. } => failure.hint("age-keygen -y prints the recipient of a private key"),
        }
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            EditError::Form { .. } | EditError::Unintended { .. } => failure
                .hint("write the rule by hand with a placeholder, age: <key>, and run it again"),
        }
    }
}

impl From<ReplaceError> for Failure {
    fn from(error: ReplaceError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            ReplaceError::Io { .. } => {
                failure.hint("is the disk full, or the directory write-protected?")
            }
            ReplaceError::Changed { .. } => failure.hint("look at it, and run it again"),
        }
    }
}

impl From<SopsError> for Failure {
    fn from(error: SopsError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            SopsError::NotInstalled => failure.hint(
                "mise use -g sops, brew install sops, or https://github.com/getsops/sops/releases",
            ),
            SopsError::Start { program, .. } => {
                failure.hint(format!("is {} executable?", program.display()))
            }
            SopsError::TooOld { .. } | SopsError::NotSops { .. } => failure.hint(format!(
                "put sops {MINIMUM_VERSION} or newer first on the PATH: mise use -g sops"
            )),
            SopsError::MacMismatch { file } => failure
                .hint(history_command(&file))
                .hint("--ignore-mac prints it all the same"),
            SopsError::NoKey { said, .. } => failure.hint(format!("sops says: {said}")),
            SopsError::Extract { .. } => failure.hint(
                "the form is '[\"data\"][\"password\"]', with the keys as they stand in the file",
            ),
            SopsError::Failed { file, .. } => failure.hint(history_command(&file)),
        }
    }
}

impl From<DecryptError> for Failure {
    fn from(error: DecryptError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            DecryptError::File(error) => error.into(),
            DecryptError::Cluster(error) => error.into(),
            DecryptError::Keys(error) => error.into(),
            DecryptError::Sops(error) => error.into(),
            DecryptError::SecretMissing {
                secret,
                namespace_exists,
            } => {
                let failure = if namespace_exists == Some(false) {
                    Self::new(format!(
                        "the cluster has no namespace {}, and so no Secret {secret}",
                        secret.namespace
                    ))
                } else {
                    failure
                };
                failure
                    .hint("--context chooses another cluster, -n and --secret-name another Secret")
                    .hint("to give this cluster its key: kb k secrets init")
            }
            DecryptError::OtherCluster {
                recipients,
                held,
                secret,
                ..
            } => {
                let list = |keys: Vec<crate::core::identity::Recipient>| {
                    let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
                    texts.join(", ")
                };
                let message = failure.message.unwrap_or_default();
                Self::new(format!(
                    "{message}\n  it opens for     {}\n  this cluster has {} ({secret})",
                    list(recipients),
                    list(held),
                ))
                .hint("--context chooses another cluster")
            }
        }
    }
}

impl From<InitError> for Failure {
    fn from(error: InitError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            InitError::Cluster(error) => error.into(),
            InitError::Config(error) => error.into(),
            InitError::Edit(error) => error.into(),
            InitError::Replace(error) => error.into(),
            InitError::Keys(error) => error.into(),
            InitError::NotNamed { .. } => failure
                .hint("--use-existing brings .sops.yaml in line with the cluster")
                .hint("--context chooses another cluster, if this is the wrong one"),
            InitError::UnknownRecipient { secret } => failure.hint(format!(
                "to compare its recipient with .sops.yaml: {} | age-keygen -y",
                show_key_command(&secret)
            )),
            InitError::NotEvident { rules, .. } => {
                let message = failure.message.unwrap_or_default();
                Self::new(format!("{message}{}", rule_list(&rules)))
                    .hint("--path-regex RE names the rule, or makes a new one")
                    .hint("--replace age1… puts the new key where that one stands, if this cluster was rebuilt")
            }
            InitError::NamespaceMissing { .. } => failure
                .hint("--create-namespace creates it; flux bootstrap does too")
                .hint("--context chooses another cluster, if this is the wrong one"),
            InitError::Vanished { .. } => failure.hint("run it again"),
            InitError::TakenBack { .. } => {
                failure.hint("nothing was changed; look at .sops.yaml, and run it again")
            }
            InitError::LeftBehind { secret, .. } => failure.hint(format!(
                "nobody has seen its key, so delete it: kubectl -n {} delete secret {}",
                secret.namespace, secret.name
            )),
        }
    }
}

fn rule_list(rules: &[RuleSummary]) -> String {
    let mut text = String::new();
    for rule in rules {
        let regex = rule.path_regex.as_deref().unwrap_or("(every path)");
        let mut keys = rule.keys.clone();
        if rule.other_keys {
            keys.push("keys of another kind".to_owned());
        }
        if keys.is_empty() {
            keys.push("no key".to_owned());
        }
        text.push_str(&format!(
            "\n  line {}: {regex}: {}",
            rule.position.line,
            keys.join(", ")
        ));
    }
    text
}
