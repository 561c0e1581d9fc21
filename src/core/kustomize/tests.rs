#![expect(clippy::disallowed_methods, reason = "tests arrange files")]

use std::fs;

use super::*;

/// Writes the files and returns what Flux applies for `app`.
fn applied(files: &[(&str, &str)]) -> (tempfile::TempDir, Applied) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut paths = Vec::new();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(&path, text).expect("written");
        paths.push(path);
    }
    paths.sort();
    let applied = Applied::new(&paths, directory.path(), "./app", &[]);
    (directory, applied)
}

#[test]
fn a_file_can_be_read_in_several_ways() {
    let (directory, applied) = applied(&[
        (
            "app/kustomization.yaml",
            "secretGenerator: [{name: a, files: [a.yaml=x, x]}]\nconfigMapGenerator: [{name: b, files: [x]}]\n",
        ),
        ("app/x", "y"),
    ]);
    let readings = &applied.files[&directory.path().join("app/x")];
    let expected = [
        Reading::SecretFile {
            format: Format::Yaml,
            in_place: true,
        },
        Reading::SecretFile {
            format: Format::Binary,
            in_place: true,
        },
        Reading::AsIs("configMapGenerator"),
    ];
    assert_eq!(readings, &BTreeSet::from(expected));
}

#[test]
fn a_circle_of_kustomizations_ends() {
    let (_directory, applied) = applied(&[
        (
            "app/kustomization.yaml",
            "resources: [../other]\nbases: [../other]\n",
        ),
        (
            "other/kustomization.yaml",
            "resources: [../app]\nbases: [../app]\n",
        ),
    ]);
    assert_eq!(applied.files.len(), 2);
    assert_eq!(applied.faults, []);
}

#[test]
fn nothing_outside_the_repository_is_read() {
    let (_directory, applied) = applied(&[(
        "app/kustomization.yaml",
        "resources: [../../../../etc, 'https://example.org/x', /etc/passwd]\n",
    )]);
    assert_eq!(applied.files.len(), 1);
}
