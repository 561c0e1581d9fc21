//! Which servers are contacted: those that were allowed, and no others, whatever the
//! metadata of a file names.

mod access;
mod encrypt_for;
mod mutations;
mod thousand;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kb::core::readers::KeyKind;
use testkit::World;
use testkit::net::RequestLog;

use crate::Setup;

/// The kinds of keys that are on a server.
const KINDS: [KeyKind; 5] = [
    KeyKind::Vault,
    KeyKind::Kms,
    KeyKind::GcpKms,
    KeyKind::AzureKeyVault,
    KeyKind::HuaweiKms,
];

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const GCP_ID: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/k";
const HUAWEI_ID: &str = "tr-west-1:12345678-1234-1234-1234-123456789abc";

/// An entry that a pull request adds to the metadata of a file, which makes sops contact
/// the server.
fn entry(kind: KeyKind, port: u16) -> String {
    let fields = match kind {
        KeyKind::Vault => format!(
            "vault_address: http://127.0.0.1:{port}\n          engine_path: transit\n          key_name: k"
        ),
        KeyKind::Kms => format!("arn: {ARN}\n          aws_profile: \"\""),
        KeyKind::GcpKms => format!("resource_id: {GCP_ID}"),
        KeyKind::AzureKeyVault => {
            format!("vault_url: https://127.0.0.1:{port}\n          name: k\n          version: v")
        }
        KeyKind::HuaweiKms => format!("key_id: {HUAWEI_ID}"),
        KeyKind::Age | KeyKind::Pgp => unreachable!("not on a server"),
    };
    let name = kind.metadata_name();
    format!(
        "    {name}:\n        - {fields}\n          created_at: \"2026-11-29T20:55:16Z\"\n          enc: AAAA\n"
    )
}

/// The credentials of one who uses all of them, and every server where the log is.
fn credentials(port: u16) -> Vec<(&'static str, String)> {
    let url = format!("http://127.0.0.1:{port}");
    let pairs = [
        ("VAULT_TOKEN", "hvs.victim"),
        ("AWS_ACCESS_KEY_ID", "victim"),
        ("AWS_SECRET_ACCESS_KEY", "victim"),
        ("AWS_ENDPOINT_URL", &url),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", "victim"),
        ("SOPS_GCP_KMS_ENDPOINT", &url),
        ("SOPS_GCP_KMS_CLIENT_TYPE", "rest"),
        ("AZURE_TENANT_ID", "11111111-1111-1111-1111-111111111111"),
        ("AZURE_CLIENT_ID", "victim"),
        ("AZURE_CLIENT_SECRET", "victim"),
        ("HUAWEICLOUD_SDK_AK", "victim"),
        ("HUAWEICLOUD_SDK_SK", "victim"),
        ("HUAWEICLOUD_SDK_PROJECT_ID", "victim"),
        ("HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1", &url),
    ];
    pairs.map(|(name, value)| (name, value.to_owned())).into()
}

/// A repository with files of pull requests.
struct Hostile {
    setup: Setup,
    log: RequestLog,
    files: Vec<String>,
}

impl Hostile {
    /// For each kind of key two files with an entry of it: one that the cluster's key
    /// opens, and one that it does not, so that sops goes on to the next key.
    fn new() -> Self {
        let log = RequestLog::start();
        let mut setup = Setup::initialized("servers");
        for (name, value) in credentials(log.port()) {
            setup.world.env(name, value);
        }
        // kb itself asks the API server, on this machine too.
        setup.encrypt("good-secret.yaml", SECRET);
        let good = setup.world.read("good-secret.yaml");
        let mut files = Vec::new();
        for kind in KINDS {
            let added = good.replace("sops:\n", &format!("sops:\n{}", entry(kind, log.port())));
            assert_ne!(added, good);
            let damaged = added.replace("YWdlLWVuY3J5cHRpb24", "YWdlLWVuY3J5cHRpb25");
            assert_ne!(damaged, added);
            for (state, text) in [("added", added), ("damaged", damaged)] {
                let name = format!("{}-{state}-secret.yaml", kind.metadata_name());
                setup.world.write(&name, text);
                files.push(name);
            }
        }
        Self { setup, log, files }
    }
}

const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n    name: a\nstringData:\n    password: hunter2\n";

/// Runs a command until the log was asked or it ends.
fn ask(world: &World, mut command: Command, log: &RequestLog) -> Vec<String> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let patience = Instant::now() + Duration::from_secs(60);
    while child.try_wait().expect("a child").is_none() && !log.was_asked() {
        assert!(Instant::now() < patience, "it hangs in {:?}", world.root());
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    log.take()
}

/// What the tests below look for can be seen at all.
#[test]
fn plain_sops_asks_every_server_that_a_file_names() {
    let hostile = Hostile::new();
    let world = &hostile.setup.world;
    for (kind, file) in KINDS.iter().zip(hostile.files.iter().skip(1).step_by(2)) {
        let asked = ask(
            world,
            world.tool_cmd("sops", ["decrypt", file]),
            &hostile.log,
        );
        assert!(!asked.is_empty(), "{kind:?}: {file}");
        if *kind == KeyKind::Vault {
            assert!(asked[0].contains("hvs.victim"), "{asked:?}");
        }
    }
}

/// The commands that read encrypted files, or say what they would do to them.
const COMMANDS: [&[&str]; 11] = [
    &["decrypt", "FILE"],
    &["decrypt", "--ignore-mac", "FILE"],
    &["decrypt", "--textconv", "FILE"],
    &["edit", "FILE"],
    &["status"],
    &["check"],
    &["init", "--use-existing", "--dry-run"],
    &["init", "--force", "--yes", "--dry-run"],
    &[
        "init",
        "--force",
        "--yes",
        "--dry-run",
        "--engine",
        "native",
    ],
    &["init", "--force", "--yes", "--dry-run", "--engine", "sops"],
    &["init", "--force", "--yes", "--engine", "sops"],
];

#[test]
fn no_command_asks_a_server_that_only_a_file_names() {
    let mut hostile = Hostile::new();
    hostile.setup.world.env("EDITOR", "true");
    for command in COMMANDS {
        let files: &[String] = match command.contains(&"FILE") {
            true => &hostile.files,
            false => &[String::new()],
        };
        for file in files {
            let arguments = command.iter().map(|word| match *word {
                "FILE" => file.as_str(),
                word => word,
            });
            let run = hostile.setup.secrets(&arguments.collect::<Vec<_>>());
            let asked = hostile.log.take();
            assert!(
                asked.is_empty(),
                "{command:?} {file}: {asked:?}\n{}",
                run.err()
            );
            assert!(!run.err().contains("victim"), "{}", run.err());
        }
    }
}

/// A rule is reviewed, but a branch can have one of its own.
#[test]
fn no_command_asks_a_server_that_was_not_accepted() {
    let log = RequestLog::start();
    let mut setup = Setup::initialized("not-accepted");
    for (name, value) in credentials(log.port()) {
        setup.world.env(name, value);
    }
    setup.world.env("EDITOR", "true");
    setup.encrypt("old-secret.yaml", SECRET);
    let old = setup.world.read("old-secret.yaml");
    let recipient = setup.recipient();
    let port = log.port();
    for field in [
        format!("hc_vault_transit_uri: http://127.0.0.1:{port}/v1/transit/keys/k"),
        format!("kms: {ARN}"),
        format!("gcp_kms: {GCP_ID}"),
        format!("azure_keyvault: https://127.0.0.1:{port}/keys/k/v"),
        format!("azure_keyvault: https://127.0.0.1:{port}/keys/k/"),
        format!("hckms: ['{HUAWEI_ID}']"),
    ] {
        let config = format!(
            "creation_rules:\n  - encrypted_regex: ^(data|stringData)$\n    age: {recipient}\n    {field}\n"
        );
        setup.world.write(".sops.yaml", config);
        setup.world.write("new-secret.yaml", SECRET);
        setup.world.write("old-secret.yaml", &old);
        for arguments in [
            &["check"][..],
            &["check", "--fix"],
            &["edit", "other-secret.yaml"],
            &["edit", "old-secret.yaml"],
            &["decrypt", "old-secret.yaml"],
            &["status"],
            &["init", "--use-existing", "--dry-run"],
            &["init", "--force", "--yes", "--dry-run"],
            &["init", "--force", "--yes", "--dry-run", "--engine", "sops"],
        ] {
            let run = setup.secrets(arguments);
            let asked = log.take();
            assert!(
                asked.is_empty(),
                "{field} {arguments:?}: {asked:?}\n{}",
                run.err()
            );
        }
    }
}
