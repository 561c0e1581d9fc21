//! Files that sops 3.7 to 3.12 have written (`tests/fixtures/sops/make.sh`).

use std::path::Path;

use bech32::{Bech32, Hrp};

use super::Differential;
use crate::{bare_world, recipient_of};

#[test]
fn what_older_versions_of_sops_have_written_is_reencrypted() {
    let world = bare_world();
    // The key of the fixtures protects nothing.
    let prefix = Hrp::parse("age-secret-key-").expect("a prefix");
    let key = bech32::encode::<Bech32>(prefix, &[7; 32]).expect("bech32");
    let key = key.to_uppercase();
    let recipient = recipient_of(&world, &key);
    let differential = Differential::from(world, key, recipient);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sops");
    let mut count = 0;
    for version in ["3.7.3", "3.8.1", "3.9.4", "3.10.2", "3.11.0", "3.12.1"] {
        let files = fixtures.join(version).read_dir().expect("fixtures");
        for file in files {
            let path = file.expect("a fixture").path();
            let name = path.file_name().and_then(|name| name.to_str());
            let name = format!("{version}/{}", name.expect("a name"));
            let before = std::fs::read(&path).expect("read");
            std::fs::create_dir_all(differential.world.path(version)).expect("mkdir");
            std::fs::write(differential.world.path(&name), &before).expect("write");
            let plaintext = differential.decrypt(&name, &differential.old);
            plaintext.assert_code(0);
            let after = differential.reencrypted(&name, &before);
            let after = after.unwrap_or_else(|error| panic!("{name}: {error}"));
            differential.assert_reencrypted(&name, &before, &after, &plaintext);
            count += 1;
        }
    }
    assert!(count >= 6 * 9, "{count} fixtures");
}
