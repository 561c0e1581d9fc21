//! The variables that sops and its SDKs read.
//!
//! They are those of sops 3.13: `*/keysource.go` in its source, `config/env_config.go` of
//! the AWS SDK, `azidentity`, `cloud.google.com/go/auth`, `core/auth/provider` of the
//! HuaweiCloud SDK, `api/client.go` of Vault.

use crate::core::readers::KeyKind;

/// Where nothing is, and root cannot make anything: the HuaweiCloud SDK creates its
/// directory in HOME.
pub(super) const NOWHERE: &str = "/proc/nonexistent";
/// A proxy that nobody can be: no program can listen on port 0.
pub(super) const NO_ONE: &str = "http://127.0.0.1:0";

/// What every sops gets, if it is set.
pub(super) const ALWAYS: [&str; 11] = [
    "PATH",
    // How it finds the config, and what a relative path of it means.
    "PWD",
    "SOPS_CONFIG",
    "TMPDIR",
    "TZ",
    "LANG",
    "LANGUAGE",
    "GODEBUG",
    "GOGC",
    "GOMAXPROCS",
    "GOMEMLIMIT",
];
pub(super) const LOCALE: &str = "LC_";

/// What a program that stands in for sops needs to find the real one.
pub(super) const OF_SHIMS: [&str; 7] = [
    "HOME",
    "LOGNAME",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];
pub(super) const OF_SHIM_PROGRAMS: [&str; 4] = ["AQUA_", "ASDF_", "MISE_", "PROTO_"];

/// What every kind of key but age needs.
pub(super) const OF_OTHER_KINDS: [&str; 5] = [
    "HOME",
    "LOGNAME",
    "SOPS_ENABLE_LOCAL_KEYSERVICE",
    "SOPS_KEYSERVICE",
    "USER",
];

/// The settings of proxies, in both cases. HTTP libraries read the lower case too.
pub(super) const PROXIES: [&str; 6] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
];

/// Where the authorities are that Go trusts in TLS.
pub(super) const TRUST: [&str; 2] = ["SSL_CERT_DIR", "SSL_CERT_FILE"];

/// Servers that are reached without a proxy.
pub(super) const NOT_BY_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// With any of these sops encrypts for the keys named there, whatever the
/// creation rule says (`cmd/sops/main.go`, `getEncryptConfig`).
pub(super) const RECIPIENTS: [&str; 7] = [
    "SOPS_AGE_RECIPIENTS",
    "SOPS_AZURE_KEYVAULT_URLS",
    "SOPS_GCP_KMS_IDS",
    "SOPS_HUAWEICLOUD_KMS_IDS",
    "SOPS_KMS_ARN",
    "SOPS_PGP_FP",
    "SOPS_VAULT_URIS",
];

/// Whatever it says, the answer to `--version` must not come from the net.
pub(super) const VERSION_CHECK: &str = "SOPS_DISABLE_VERSION_CHECK";

pub(super) const ORDER: &str = "SOPS_DECRYPTION_ORDER";
/// Keys on this machine come before servers.
pub(super) const LOCAL_FIRST: [&str; 2] = ["age", "pgp"];

/// Programs of the person's that print an age identity.
pub(super) const KEY_PROGRAMS: [&str; 2] = ["SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"];

/// The settings of one kind of key.
pub(super) struct Settings {
    pub(super) kind: KeyKind,
    /// What the names of its variables begin with.
    pub(super) names: &'static [&'static str],
    /// Settings with which sops finds no credentials of this kind, or gives up before it
    /// asks for any.
    pub(super) off: &'static [(&'static str, &'static str)],
}

pub(super) const SETTINGS: [Settings; 6] = [
    Settings {
        kind: KeyKind::Pgp,
        names: &[
            "DBUS_SESSION_BUS_ADDRESS",
            "DISPLAY",
            "GNUPGHOME",
            "GPG_",
            "PINENTRY_",
            "SOPS_GPG_EXEC",
            "TERM",
            "WAYLAND_DISPLAY",
            "XAUTHORITY",
            "XDG_RUNTIME_DIR",
        ],
        // Without GNUPGHOME sops asks the system for the home directory, not HOME.
        off: &[("GNUPGHOME", NOWHERE), ("SOPS_GPG_EXEC", NOWHERE)],
    },
    Settings {
        kind: KeyKind::Kms,
        names: &["AWS_"],
        // The SDK refuses a mode of retrying that it does not know.
        off: &[
            ("AWS_CONFIG_FILE", NOWHERE),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_RETRY_MODE", "none"),
            ("AWS_SHARED_CREDENTIALS_FILE", NOWHERE),
        ],
    },
    Settings {
        kind: KeyKind::GcpKms,
        names: &["CLOUDSDK_", "GCE_METADATA_", "GOOGLE_", "SOPS_GCP_KMS_"],
        off: &[("GOOGLE_APPLICATION_CREDENTIALS", NOWHERE)],
    },
    Settings {
        kind: KeyKind::AzureKeyVault,
        names: &["AZD_", "AZURE_", "IDENTITY_", "IMDS_ENDPOINT", "MSI_"],
        // The SDK refuses a kind of credentials that it does not know.
        off: &[
            ("AZURE_CONFIG_DIR", NOWHERE),
            ("AZURE_TOKEN_CREDENTIALS", "none"),
        ],
    },
    Settings {
        kind: KeyKind::Vault,
        names: &["SOPS_HC_VAULT_", "VAULT_"],
        // sops before 3.13 does not know its list; the SDK refuses what is not a number.
        off: &[
            ("SOPS_HC_VAULT_ALLOWLIST", "none"),
            ("VAULT_MAX_RETRIES", "none"),
        ],
    },
    Settings {
        kind: KeyKind::HuaweiKms,
        names: &["HC_CONTAINER_", "HUAWEICLOUD_"],
        // With these the SDK logs in by a token that it cannot read, and asks no metadata
        // service.
        off: &[
            ("HUAWEICLOUD_SDK_CREDENTIALS_FILE", NOWHERE),
            ("HUAWEICLOUD_SDK_IDP_ID", "none"),
            ("HUAWEICLOUD_SDK_ID_TOKEN_FILE", NOWHERE),
            ("HUAWEICLOUD_SDK_PROJECT_ID", "none"),
        ],
    },
];
