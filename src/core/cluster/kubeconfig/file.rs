//! What a kubeconfig says: the types of client-go's `clientcmd/api/v1`, as far as a
//! connection needs them.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde_json::Value;
use zeroize::Zeroizing;

use super::KubeconfigError;
use super::fields::{FieldFault, MappingFields};
use crate::core::regular_file::{self, LARGEST_CONFIG};
use crate::core::yaml::{Document, Effort, NotParsed, Stream, decode};

/// The extension of a cluster that a credential plugin gets.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// A kubeconfig file.
pub(super) struct KubeconfigFile {
    pub(super) path: PathBuf,
    pub(super) clusters: Vec<NamedEntry<ClusterEntry>>,
    pub(super) users: Vec<NamedEntry<User>>,
    pub(super) contexts: Vec<NamedEntry<ContextEntry>>,
    pub(super) current_context: String,
}

/// A named entry of a list.
pub(super) struct NamedEntry<T> {
    pub(super) name: String,
    /// The line that it begins in, from 1.
    pub(super) line: usize,
    pub(super) value: T,
}

/// How to reach an API server. What is not written is empty.
pub(super) struct ClusterEntry {
    pub(super) server: String,
    pub(super) tls_server_name: String,
    pub(super) insecure_skip_tls_verify: bool,
    pub(super) certificate_authority: String,
    pub(super) certificate_authority_data: Vec<u8>,
    pub(super) proxy_url: String,
    pub(super) disable_compression: bool,
    pub(super) exec_config: Value,
}

/// How to log in. What is not written is empty.
pub(super) struct User {
    pub(super) client_certificate: String,
    pub(super) client_certificate_data: Vec<u8>,
    pub(super) client_key: String,
    pub(super) client_key_data: Zeroizing<Vec<u8>>,
    pub(super) token: SecretString,
    pub(super) token_file: String,
    pub(super) impersonate: String,
    pub(super) impersonate_uid: String,
    pub(super) impersonate_groups: Vec<String>,
    pub(super) impersonate_extra: Vec<(String, Vec<String>)>,
    pub(super) username: String,
    pub(super) password: SecretString,
    pub(super) auth_provider: Option<AuthProvider>,
    pub(super) exec: Option<Exec>,
}

/// A login that client-go does itself.
pub(super) struct AuthProvider {
    pub(super) name: String,
    pub(super) config: Vec<(String, String)>,
}

/// A credential plugin.
#[derive(Clone)]
pub(in crate::core::cluster) struct Exec {
    /// A path, or the name of a program on the `PATH`.
    pub(in crate::core::cluster) command: String,
    pub(in crate::core::cluster) args: Vec<String>,
    pub(in crate::core::cluster) env: Vec<(String, String)>,
    pub(in crate::core::cluster) api_version: String,
    pub(in crate::core::cluster) install_hint: String,
    pub(in crate::core::cluster) interactive_mode: String,
    pub(in crate::core::cluster) provide_cluster_info: bool,
    /// The cluster as the plugin gets it, if it asks for that.
    pub(in crate::core::cluster) cluster: Option<Value>,
}

/// Which user goes to which cluster.
pub(super) struct ContextEntry {
    pub(super) cluster: String,
    pub(super) user: String,
}

impl KubeconfigFile {
    pub(super) fn read(path: &Path) -> Result<Self, KubeconfigError> {
        let bytes = read(path).map_err(|source| KubeconfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let unread = |error: NotParsed| KubeconfigError::Parse {
            place: format!("{}:{}:{}", path.display(), error.line, error.column),
        };
        let decoded = decode(&bytes).map_err(|error| unread(error.into()))?;
        let stream = Stream::parse_first(&decoded.text).map_err(unread)?;
        let read = match stream.documents.first() {
            Some(document) => Self::of_document(path, document, &stream.effort),
            None => Self::of_document(path, &Document::empty(""), &stream.effort),
        };
        read.map_err(|fault| KubeconfigError::Entry {
            path: path.to_owned(),
            line: fault.line,
            reason: fault.reason,
        })
    }

    fn of_document(
        path: &Path,
        document: &Document<'_>,
        effort: &Effort,
    ) -> Result<Self, FieldFault> {
        let Some(root) = &document.root else {
            return Ok(Self {
                path: path.to_owned(),
                clusters: Vec::new(),
                users: Vec::new(),
                contexts: Vec::new(),
                current_context: String::new(),
            });
        };
        let file = MappingFields::read(document, effort, root, "the file")?;
        let (version, kind) = (file.text("apiVersion")?, file.text("kind")?);
        if !["", "v1"].contains(&version.strip_prefix('/').unwrap_or(&version)) {
            return Err(FieldFault::new(root, "apiVersion is not v1"));
        }
        if !["", "Config"].contains(&&*kind) {
            return Err(FieldFault::new(root, "kind is not Config"));
        }
        let preferences = file.inner("preferences")?;
        preferences.flag("colors")?;
        extensions(&preferences)?;
        extensions(&file)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Ok(Self {
            path: path.to_owned(),
            clusters: entries(&file, "clusters", "cluster", |cluster| {
                ClusterEntry::read(cluster, directory)
            })?,
            users: entries(&file, "users", "user", |user| User::read(user, directory))?,
            contexts: entries(&file, "contexts", "context", ContextEntry::read)?,
            current_context: file.text("current-context")?,
        })
    }
}

/// The bytes of a kubeconfig. A person names it, so it may be a pipe (`<(…)`), which is
/// read once, and, to have none, `/dev/null`; no other device, which may never end.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let found = path.metadata()?;
    let kind = found.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return match found.rdev() == Path::new("/dev/null").metadata()?.rdev() {
            true => Ok(Zeroizing::default()),
            false => Err(io::Error::other("it is a device")),
        };
    }
    if kind.is_file() || kind.is_dir() {
        return regular_file::read(path, LARGEST_CONFIG).map(Zeroizing::new);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let mut pipe = File::open(path)?.take(LARGEST_CONFIG + 1);
    pipe.read_to_end(&mut bytes)?;
    regular_file::check_length(bytes.len() as u64, LARGEST_CONFIG)?;
    Ok(bytes)
}

/// The named entries of a list. client-go refuses a file that has two of one name.
fn entries<T>(
    file: &MappingFields<'_>,
    list: &str,
    kind: &str,
    read: impl Fn(&MappingFields<'_>) -> Result<T, FieldFault>,
) -> Result<Vec<NamedEntry<T>>, FieldFault> {
    let mut entries: Vec<NamedEntry<T>> = Vec::new();
    let mut names = HashSet::new();
    for (line, fields) in file.mappings(list)? {
        let name = fields.text("name")?;
        let shown = format!("{kind} \"{name}\"");
        let value = fields.inner(kind).and_then(|inner| read(&inner));
        let value = value.map_err(|fault| fault.of(&shown))?;
        if !names.insert(name.clone()) {
            let reason = format!("{list} has two entries of this name");
            return Err(FieldFault { line, reason }.of(&shown));
        }
        entries.push(NamedEntry { name, line, value });
    }
    Ok(entries)
}

/// The extension that credential plugins get. Two of one name are refused as in
/// [`entries`], unless the first is null.
fn extensions(fields: &MappingFields<'_>) -> Result<Value, FieldFault> {
    let mut found = HashMap::new();
    for (line, extension) in fields.mappings("extensions")? {
        let name = extension.text("name")?;
        if found.contains_key(&name) {
            let reason = "extensions has two entries of one name".to_owned();
            return Err(FieldFault { line, reason });
        }
        let value = extension.value("extension")?;
        if !value.is_null() {
            found.insert(name, value);
        }
    }
    Ok(found.remove(EXEC_EXTENSION).unwrap_or_default())
}

/// A path in a kubeconfig is relative to the kubeconfig's directory.
fn path(fields: &MappingFields<'_>, name: &str, directory: &Path) -> Result<String, FieldFault> {
    let path = fields.text(name)?;
    Ok(resolve(path, directory))
}

fn resolve(path: String, directory: &Path) -> String {
    match path.is_empty() {
        true => path,
        false => directory.join(path).to_string_lossy().into_owned(),
    }
}

impl ClusterEntry {
    fn read(fields: &MappingFields<'_>, directory: &Path) -> Result<Self, FieldFault> {
        Ok(Self {
            server: fields.text("server")?,
            tls_server_name: fields.text("tls-server-name")?,
            insecure_skip_tls_verify: fields.flag("insecure-skip-tls-verify")?,
            certificate_authority: path(fields, "certificate-authority", directory)?,
            certificate_authority_data: fields.data("certificate-authority-data")?,
            proxy_url: fields.text("proxy-url")?,
            disable_compression: fields.flag("disable-compression")?,
            exec_config: extensions(fields)?,
        })
    }
}

impl User {
    fn read(fields: &MappingFields<'_>, directory: &Path) -> Result<Self, FieldFault> {
        extensions(fields)?;
        let extra = fields.inner("as-user-extra")?;
        let extra = extra
            .names()
            .map(|key| Ok((key.clone(), extra.texts(key)?)));
        Ok(Self {
            client_certificate: path(fields, "client-certificate", directory)?,
            client_certificate_data: fields.data("client-certificate-data")?,
            client_key: path(fields, "client-key", directory)?,
            client_key_data: Zeroizing::new(fields.data("client-key-data")?),
            token: fields.text("token")?.into(),
            token_file: path(fields, "tokenFile", directory)?,
            impersonate: fields.text("as")?,
            impersonate_uid: fields.text("as-uid")?,
            impersonate_groups: fields.texts("as-groups")?,
            impersonate_extra: extra.collect::<Result<_, FieldFault>>()?,
            username: fields.text("username")?,
            password: fields.text("password")?.into(),
            auth_provider: match fields.optional("auth-provider")? {
                Some(provider) => Some(AuthProvider::read(&provider)?),
                None => None,
            },
            exec: match fields.optional("exec")? {
                Some(exec) => Some(Exec::read(&exec, directory)?),
                None => None,
            },
        })
    }
}

impl AuthProvider {
    fn read(fields: &MappingFields<'_>) -> Result<Self, FieldFault> {
        let config = fields.inner("config")?;
        let config = config
            .names()
            .map(|key| Ok((key.clone(), config.text(key)?)));
        Ok(Self {
            name: fields.text("name")?,
            config: config.collect::<Result<_, FieldFault>>()?,
        })
    }
}

impl Exec {
    fn read(fields: &MappingFields<'_>, directory: &Path) -> Result<Self, FieldFault> {
        let variables = fields.mappings("env")?.into_iter();
        let variables = variables.map(|(_, env)| Ok((env.text("name")?, env.text("value")?)));
        let api_version = fields.text("apiVersion")?;
        let mut interactive_mode = fields.text("interactiveMode")?;
        // Only v1 requires it.
        let is_older = api_version.strip_prefix("client.authentication.k8s.io/v1");
        if interactive_mode.is_empty() && matches!(is_older, Some("alpha1" | "beta1")) {
            "IfAvailable".clone_into(&mut interactive_mode);
        }
        let mut command = fields.text("command")?;
        if command.contains('/') {
            command = resolve(command, directory);
        }
        Ok(Self {
            command,
            args: fields.texts("args")?,
            env: variables.collect::<Result<_, FieldFault>>()?,
            api_version,
            install_hint: fields.text("installHint")?,
            interactive_mode,
            provide_cluster_info: fields.flag("provideClusterInfo")?,
            cluster: None,
        })
    }
}

impl ContextEntry {
    fn read(fields: &MappingFields<'_>) -> Result<Self, FieldFault> {
        fields.text("namespace")?;
        extensions(fields)?;
        Ok(Self {
            cluster: fields.text("cluster")?,
            user: fields.text("user")?,
        })
    }
}
