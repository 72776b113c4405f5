//! Idempotent: what is tried again must find out first what the failed attempt has done.

use std::sync::Arc;

use ciao_declare::finding::{Code, Finding, Place};
use ciao_declare::{Declarations, pipeline_file};

/// All rules of this pillar.
pub fn check(declarations: &Declarations, findings: &mut Vec<Finding>) {
    for (name, pipeline) in &declarations.pipelines {
        let file: Arc<camino::Utf8Path> = pipeline_file(name).as_path().into();
        for step in &pipeline.steps {
            let Some(retries) =
                step.retries.filter(|retries| retries.attempts > 1 && step.unless.is_none() && !step.verify)
            else {
                continue;
            };
            let place = Place { file: Arc::clone(&file), span: retries.span };
            let message = format!("step `{}` is tried again without a guard", step.name.value);
            let help =
                "add `unless`, which is asked before each attempt; or `verify = true` if the step changes nothing";
            findings.push(Finding::warning(Code::UnguardedRetry, place, message, help).of(&*step.name.value));
        }
    }
}
