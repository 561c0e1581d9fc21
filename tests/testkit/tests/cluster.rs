//! A cluster as kb's tests use it.

use std::collections::BTreeMap;

use serde_json::json;
use testkit::{Cluster, UserKind};

#[test]
fn secret_comes_back_as_it_was_put() {
    let cluster = Cluster::shared();
    let namespace = cluster.new_namespace("roundtrip");
    assert_eq!(cluster.secret(&namespace, "sops-age"), None);

    cluster.put_secret(&namespace, "sops-age", &[("a", b"one"), ("b", &[0, 0xff])]);
    let expected = BTreeMap::from([
        ("a".to_owned(), b"one".to_vec()),
        ("b".to_owned(), vec![0, 0xff]),
    ]);
    assert_eq!(cluster.secret(&namespace, "sops-age"), Some(expected));

    cluster.put_secret(&namespace, "sops-age", &[("c", b"three")]);
    let expected = BTreeMap::from([("c".to_owned(), b"three".to_vec())]);
    assert_eq!(cluster.secret(&namespace, "sops-age"), Some(expected));

    let path = format!("/api/v1/namespaces/{namespace}/secrets/sops-age");
    let patched = cluster.patch_merge(&path, &json!({"metadata": {"labels": {"x": "y"}}}));
    assert_eq!(patched["metadata"]["labels"]["x"], "y");
    cluster.delete(&path);
    assert_eq!(cluster.get(&path), None);
}

#[test]
fn client_certificate_is_accepted() {
    let cluster = Cluster::shared();
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let (status, answer) = cluster.client_with_certificate().request(
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        Some(&review),
    );
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["status"]["userInfo"]["username"], "kb-admin");
}

#[test]
fn rights_begin_with_a_grant() {
    let cluster = Cluster::shared();
    let namespace = cluster.new_namespace("rights");
    cluster.put_secret(&namespace, "s", &[]);
    let path = format!("/api/v1/namespaces/{namespace}/secrets/s");

    let nobody = cluster.client_with_token(cluster.nobody_token());
    assert_eq!(nobody.request("GET", &path, None).0, 403);
    cluster.grant(&namespace, UserKind::User, "nobody", &["get"]);
    assert_eq!(nobody.request("GET", &path, None).0, 200);
    assert_eq!(nobody.request("DELETE", &path, None).0, 403);

    let token = cluster.service_account_token(&namespace, "robot");
    let robot = cluster.client_with_token(&token);
    assert_eq!(robot.request("GET", &path, None).0, 403);
    cluster.grant(&namespace, UserKind::ServiceAccount, "robot", &["get"]);
    assert_eq!(robot.request("GET", &path, None).0, 200);

    let stranger = cluster.client_with_token("not-a-token");
    assert_eq!(stranger.request("GET", &path, None).0, 401);
}

#[test]
fn killed_apiserver_refuses_and_comes_back_with_its_objects() {
    let cluster = Cluster::start();
    let dir = cluster.dir().to_owned();
    let namespace = cluster.new_namespace("crash");
    cluster.put_secret(&namespace, "s", &[("a", b"one")]);
    let path = format!("/api/v1/namespaces/{namespace}/secrets/s");

    cluster.kill_apiserver();
    let admin = cluster.client_with_token(cluster.admin_token());
    assert!(admin.try_request("GET", &path, None).is_err());
    assert_eq!(cluster.pids().len(), 1);

    cluster.restart_apiserver();
    let data = cluster.secret(&namespace, "s").expect("etcd has kept it");
    assert_eq!(data["a"], b"one");
    cluster.end();
    assert!(!dir.exists());
}
