//! Raw requests as admin.

use serde_json::Value;

use super::Cluster;

impl Cluster {
    /// Sends a request as admin; the status and the body, whatever they are.
    ///
    /// # Panics
    /// If there was no answer.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.admin.request(method, path, body)
    }

    /// The object at a path; `None` if there is none.
    ///
    /// # Panics
    /// On any other answer than 200 and 404.
    pub fn get(&self, path: &str) -> Option<Value> {
        match self.request("GET", path, None) {
            (200, value) => Some(value),
            (404, _) => None,
            (status, body) => panic!("GET {path}: {status} {body}"),
        }
    }

    /// Creates an object; the object as it was stored.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.change("POST", path, Some(body))
    }

    /// Replaces an object; the object as it was stored.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn put(&self, path: &str, body: &Value) -> Value {
        self.change("PUT", path, Some(body))
    }

    /// Merges a patch (RFC 7386) into an object; the object as it was stored.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn patch_merge(&self, path: &str, body: &Value) -> Value {
        self.change("PATCH", path, Some(body))
    }

    /// Deletes an object; what the server answers.
    ///
    /// # Panics
    /// If the server refuses, also if there is no such object.
    pub fn delete(&self, path: &str) -> Value {
        self.change("DELETE", path, None)
    }

    fn change(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.request(method, path, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }
}
