//! What sops would save otherwise than it was typed comes back, and nothing else.

use super::Editing;
use crate::assert_fails;
use crate::terminal::Terminal;

/// A rule by which all values of all files are encrypted for this recipient.
fn rule_for(editing: &Editing, recipient: &str) {
    let config = format!("creation_rules:\n  - age: {recipient}\n");
    editing.world.write(".sops.yaml", config);
}

fn whole(prefix: &str) -> Editing {
    let editing = Editing::new(prefix);
    rule_for(&editing, &editing.recipient());
    editing
}

/// A text comes out of a pipe.
fn pipe(editing: &mut Editing, name: &str, text: &str) -> testkit::Run {
    editing.setup.world.env("EDITOR", "cp /dev/stdin");
    let command = editing.command(&["edit", name]);
    editing.world.run_with_stdin(command, text.as_bytes())
}

#[test]
fn values_that_sops_would_change_come_back_all_at_once_and_by_name() {
    let mut editing = whole("changed");
    for (name, text, named) in [
        (
            "v.yaml",
            "user: name\nzip: 01234\nversion: 1.10\n",
            &[
                "line 2, column 6: zip is a number",
                "line 3, column 10: version is a number",
            ][..],
        ),
        (
            "v.yaml",
            "a:\n- b: 1e3\n  'c.d': 2026-11-22\n- !!int 0x10\n",
            &["a[0].b is a number", "a[0].\"c.d\" is a date", "a[1]"],
        ),
        (
            "v.yaml",
            "enabled: no\nkept: 'no'\n",
            &["line 1, column 10: enabled is true or false for kubectl"],
        ),
        (
            "v.yaml",
            "a: !vault |\n  hunter2\nb: {} # lost\n",
            &[
                "the tag (!…) of a",
                "line 3, column 8: sops would drop this comment",
            ],
        ),
        (
            "v.yaml",
            "a: 01\n---\na: 02\n",
            &["document 1: a is a number", "document 2: a is a number"],
        ),
        (
            "x.json",
            "{\"id\": 12345678901234567890, \"a\": [1.0, 1]}",
            &["line 1, column 8: id is a number", "a[0] is a number"],
        ),
        (
            "x.ini",
            "[a]\nb = hunter2\\\nc = d\n; e\n",
            &["line 2, column 5: a.b would be saved otherwise"],
        ),
        (
            "x.ini",
            "[a]\nb = hunter;2\nc = \"x\"\nd = 1\nd = 2\n",
            &[
                "a.b would be saved otherwise",
                "a.c would be",
                "a.d is there more than once",
            ],
        ),
    ] {
        let run = pipe(&mut editing, name, text);
        assert_fails(&run, 1, named);
        for value in ["hunter", "01234", "1.10", "0x10", "2026", "123456", "1e3"] {
            assert!(!run.err().contains(value), "{}", run.err());
        }
        assert!(!editing.world.path(name).exists(), "{text}");
        editing.assert_no_trace();
    }
}

#[test]
fn what_differs_only_in_layout_is_saved() {
    let mut editing = whole("layout");
    for (name, text, kept) in [
        (
            "v.yaml",
            "# head\na: 'b' # end of line\nflow: {x: [1, \"2\"], y: ~}\nt: True\nn:\n",
            &["# end of line", "t: true"][..],
        ),
        (
            "v.yaml",
            "a: &a\n  x: \"1.10\"\nb: *a\nc:\n  <<: *a\n  z: 0.5\n",
            &["1.10"],
        ),
        (
            "v.yaml",
            "a: |+\n  x\n\nb: >-\n  x\n  y\nc: |2\n    z\n",
            &["x y"],
        ),
        ("v.yaml", "a: \"b\\u0063\\td\"\r\nc: d\r\n", &["c: d"]),
        (
            "v.yaml",
            "a: !!binary aGk=\nb: !!str 007\nc: ! x\n",
            &["a: hi", "\"007\""],
        ),
        (
            "x.json",
            "{\"a\":\"\\u0062<&\",\"c\":[1,1.5,true,null,{},[]]}",
            &["1.5"],
        ),
        (
            "x.env",
            "# c\n\nA=\"x\"\nB=a\\nb=c\nC=\n",
            &["A=\"x\"", "B=a\\nb=c"],
        ),
        ("x.ini", "; c\n[a]\nb=`x;y`\nc : z # not a value\n", &[]),
    ] {
        let run = pipe(&mut editing, name, text);
        if kept.is_empty() {
            assert_fails(&run, 1, &["a.c would be saved otherwise"]);
            continue;
        }
        run.assert_code(0);
        let plaintext = editing.plaintext(name);
        for words in kept {
            assert!(plaintext.contains(words), "no {words} in {plaintext}");
        }
        std::fs::remove_file(editing.world.path(name)).expect("removed");
    }
}

/// They were shown so: nobody has typed them.
#[test]
fn values_that_were_saved_before_are_no_news() {
    let mut editing = whole("before");
    editing.encrypt(
        "v.yaml",
        "zip: 01234\nv: 1.10\nd: 2026-11-22\ny: yes\nc: x\n",
    );
    editing.editor("sed -i 's/c: x/c: \"01\"/' \"$1\"");
    editing.edit(&["v.yaml"]).assert_code(0);
    assert!(editing.plaintext("v.yaml").contains("zip: 668"));
    editing.editor("sed -i 's/668/0668/' \"$1\"");
    assert_fails(&editing.edit(&["v.yaml"]), 1, &["zip is"]);
    editing.editor("sed -i 's/668/669/' \"$1\"");
    editing.edit(&["v.yaml"]).assert_code(0);
}

#[test]
fn the_editor_shows_all_differences_where_they_are() {
    let mut editing = whole("shown");
    let shown = editing.world.tmp().join("shown");
    editing.editor(&format!(
        "if grep -q kb: \"$1\"; then cp \"$1\" '{}'; sed -i 's/: 01$/: \"01\"/' \"$1\"; else printf 'a: 01\\nb: 01\\n' > \"$1\"; fi",
        shown.display()
    ));
    let (code, screen) = Terminal::start(&editing, "edit v-secret.yaml").end();
    assert_eq!(code, Some(0), "{screen}");
    let text = std::fs::read_to_string(&shown).expect("shown");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("2 problems"), "{text}");
    for (said, key) in [(lines[1], "a"), (lines[2], "b")] {
        let at = text
            .lines()
            .position(|line| line.starts_with(&format!("{key}:")));
        let place = format!(
            "## kb: - line {}, column 4: {key} is",
            at.expect("a line") + 1
        );
        assert!(said.starts_with(&place), "{text}");
    }
    assert_eq!(editing.plaintext("v-secret.yaml"), "a: \"01\"\nb: \"01\"\n");
    // What was wrong meanwhile is not on the screen any more.
    assert!(screen.contains("Created v-secret.yaml"), "{screen}");
    assert!(!screen.contains("not saved"), "{screen}");
}

/// Of a line with a sign alone sops makes an empty item in YAML, and a panic in ini.
#[test]
fn comments_without_text_that_sops_cannot_keep_are_named() {
    let mut editing = whole("bare");
    for (name, text, words) in [
        (
            "v-secret.yaml",
            "a:\n  # x\n  #\n  - b\n  - c\n",
            "line 3, column 4: in a list, sops makes an empty item of a comment without text",
        ),
        (
            "v-secret.ini",
            "#\n# x\n[a]\nb = c\n",
            "because of a comment without text, such as # alone",
        ),
    ] {
        let run = pipe(&mut editing, name, text);
        assert_fails(&run, 1, &["the text was not saved", words]);
        assert!(!run.err().contains("problems"), "{}", run.err());
        assert!(!editing.world.path(name).exists());
    }
    pipe(&mut editing, "v-secret.yaml", "#\na:\n  #\n  b: c\n").assert_code(0);
}

/// No key that kb may use opens what is encrypted for a person.
#[test]
fn a_file_for_other_people_is_compared_too_and_for_nobody_else() {
    let mut editing = Editing::new("others");
    let public = crate::ssh_key(&editing, "dev@example.org", "open sesame");
    let public = public.rsplit_once(' ').expect("a comment").0;
    rule_for(&editing, public);
    for (name, bad, good) in [
        ("v.yaml", "zip: 01234\n", "zip: '01234'\n"),
        ("v.json", "{\"zip\": 1.0}", "{\"zip\": \"1.0\"}"),
        ("v.ini", "[a]\nzip = \"1\"\n", "[a]\nzip = 1\n"),
        ("v.env", "zip\n", "zip=01234\n"),
        ("v.bin", "", "zip\n"),
    ] {
        if !bad.is_empty() {
            let run = pipe(&mut editing, name, bad);
            assert_fails(&run, 1, &["the text was not saved"]);
            assert!(
                run.err().contains("zip is") || run.err().contains("zip would") || name == "v.env"
            );
            assert!(!editing.world.path(name).exists());
        }
        pipe(&mut editing, name, good).assert_code(0);
        let encrypted = editing.world.read(name);
        assert!(encrypted.contains(public), "{encrypted}");
        assert!(!encrypted.contains("age1"), "{encrypted}");
        let stanzas = encrypted.matches("BEGIN AGE ENCRYPTED FILE").count();
        assert_eq!(stanzas, 1, "{encrypted}");
        editing.assert_no_trace();
    }
}

/// The selection of the rule holds for the copy, too: a comment decides, or a name.
#[test]
fn a_copy_is_encrypted_by_the_rule_of_its_file() {
    let mut editing = Editing::new("copy");
    let public = crate::ssh_key(&editing, "x", "open sesame");
    let config = format!(
        "creation_rules:\n  - age: {public}\n    encrypted_regex: ^secret$\n    mac_only_encrypted: true\n"
    );
    editing.world.write(".sops.yaml", config);
    let run = pipe(&mut editing, "v.yaml", "secret: 010\nother: 010\n");
    assert_fails(&run, 1, &["secret is a number", "other is a number"]);
    pipe(&mut editing, "v.yaml", "secret: a\nother: b\n").assert_code(0);
    assert!(editing.world.read("v.yaml").contains("other: b"));
}

/// Without a terminal the cause is said, once, and nothing of the text.
#[test]
fn a_refused_text_from_a_pipe_is_named_once() {
    let mut editing = whole("pipe");
    for (name, text, cause) in [
        (
            "v.yaml",
            "a: [hunter2\n",
            "line 1, column 4: it does not parse: did not find expected",
        ),
        (
            "v.yaml",
            "1: hunter2\n",
            "line 1, column 1: sops does not take it for YAML: this key is not text",
        ),
        (
            "v.yaml",
            "a: b\nc: 18446744073709551615\n",
            "line 2, column 1: sops does not take it for YAML: this number is too large",
        ),
        ("v.json", "{\"hunter2\"", "line 1, column 10"),
        (
            "v.env",
            "A=b\nhunter2\n",
            "line 2, column 1: sops does not take it for a dotenv file: this line is not KEY=value",
        ),
        (
            "v.ini",
            "[a]\nhunter2\n",
            "line 2, column 1: sops does not take it for an ini file: this line is not key = value",
        ),
        ("v.ini", "[hunter2\n", "this section is not closed"),
    ] {
        let run = pipe(&mut editing, name, text);
        assert_fails(&run, 1, &[cause]);
        let err = run.err();
        assert_eq!(err.matches("not saved").count(), 1, "{err}");
        let line = cause.split(':').next().expect("words");
        assert_eq!(err.matches(line).count(), 1, "{err}");
        assert!(!err.contains("hunter2") && !err.contains("184467"), "{err}");
        editing.assert_no_trace();
    }
}

#[test]
fn input_that_no_editor_reads_is_not_thrown_away_in_silence() {
    let mut editing = whole("unread").with_secret();
    for name in ["new.yaml", "db-secret.yaml"] {
        editing.setup.world.env("EDITOR", "cat");
        let command = editing.command(&["edit", name]);
        let run = editing.world.run_with_stdin(command, b"a: hunter2\n");
        assert_fails(
            &run,
            1,
            &["did not read what was piped in", "EDITOR='cp /dev/stdin'"],
        );
        // Nothing was to be read.
        editing.edit(&[name]).assert_code(0);
        let command = editing.command(&["edit", name]);
        editing.world.run_with_stdin(command, b"").assert_code(0);
    }
    assert!(!editing.world.path("new.yaml").exists());
}

#[test]
fn without_a_terminal_and_an_editor_it_is_said_how_to_pipe_a_text_in() {
    let mut editing = whole("noeditor");
    editing.setup.world.env("EDITOR", "");
    let command = editing.command(&["edit", "new.yaml"]);
    let run = editing.world.run_with_stdin(command, b"a: b\n");
    assert_fails(&run, 1, &["there is no terminal", "EDITOR='cp /dev/stdin'"]);
}
