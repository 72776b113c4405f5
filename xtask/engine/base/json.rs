//! JSON as text, in the two forms that a plan is needed in, made at once: dense, for its digest, and indented, for people. Where
//! nobody reads it, only the first.
//!
//! A tree of values would be made, copied and walked twice, and for a plan of thousands of steps that is most of the time.

use serde_json::Value;

/// What is written so far.
#[derive(Default)]
pub struct Json {
    pub dense: String,
    pub indented: Option<String>,
    pub depth: usize,
    /// Whether something stands in the innermost list or table.
    filled: bool,
}

impl Json {
    /// For people too.
    #[must_use]
    pub fn shown() -> Json {
        Json { indented: Some(String::new()), ..Json::default() }
    }

    fn push(&mut self, text: &str) {
        self.dense.push_str(text);
        self.indent(text);
    }

    fn indent(&mut self, text: &str) {
        if let Some(indented) = &mut self.indented {
            indented.push_str(text);
        }
    }

    fn line(&mut self) {
        let Some(indented) = &mut self.indented else { return };
        indented.push('\n');
        let mut left = self.depth * 2;
        while left > 0 {
            let some = left.min(16);
            indented.push_str(&"                "[..some]);
            left -= some;
        }
    }

    pub fn open(&mut self, bracket: &str) {
        self.push(bracket);
        self.depth += 1;
        self.filled = false;
    }

    pub fn close(&mut self, bracket: &str) {
        self.depth -= 1;
        if self.filled {
            self.line();
        }
        self.push(bracket);
        self.filled = true;
    }

    /// What comes next is another item of a list, or another key.
    pub fn item(&mut self) {
        if self.filled {
            self.push(",");
        }
        self.line();
        self.filled = true;
    }

    /// A key that needs no escapes: one of ours, or the name of a variable.
    pub fn key(&mut self, key: &str) {
        self.item();
        self.push("\"");
        self.push(key);
        self.dense.push_str("\":");
        self.indent("\": ");
    }

    pub fn string(&mut self, text: &str) {
        if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            self.push(&Value::from(text).to_string());
        } else {
            self.push("\"");
            self.push(text);
            self.push("\"");
        }
    }

    pub fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    pub fn optional(&mut self, key: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(key, text),
            None => self.plain(key, "null"),
        }
    }

    /// A number, `true`, `false` or `null`.
    pub fn plain(&mut self, key: &str, written: &str) {
        self.key(key);
        self.push(written);
    }

    /// As [`Json::plain`], and no matter for the digest.
    pub fn beside(&mut self, key: &str, written: &str) {
        let dense = self.dense.len();
        self.plain(key, written);
        self.dense.truncate(dense);
    }

    pub fn list<'a>(&mut self, key: &str, texts: impl Iterator<Item = &'a str>) {
        self.key(key);
        self.open("[");
        for text in texts {
            self.item();
            self.string(text);
        }
        self.close("]");
    }

    pub fn value(&mut self, key: &str, value: &Value) {
        self.key(key);
        self.any(value);
    }

    fn any(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                self.open("[");
                for item in items {
                    self.item();
                    self.any(item);
                }
                self.close("]");
            }
            Value::Object(entries) => {
                self.open("{");
                for (key, value) in entries {
                    self.item();
                    self.string(key);
                    self.dense.push(':');
                    self.indent(": ");
                    self.any(value);
                }
                self.close("}");
            }
            Value::String(text) => self.string(text),
            Value::Null => self.push("null"),
            other => self.push(&other.to_string()),
        }
    }
}
