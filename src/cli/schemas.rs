//! JSON schemas of what `-o json` prints, made from the types that are serialized.

use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// Compares `docs/schemas/NAME.json` with the type's schema, or writes it where
/// `UPDATE_DOCS` is set.
#[expect(
    clippy::disallowed_methods,
    reason = "a test that writes a page of this repository"
)]
pub(super) fn assert_up_to_date<T: JsonSchema>(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schemas/{name}.json"));
    // As it is written: a field that may be null is there nevertheless.
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut expected = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    expected.push('\n');
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).expect("a file of the repository");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, expected,
        "docs/schemas/{name}.json is out of date: UPDATE_DOCS=1 cargo test --locked docs::"
    );
}
