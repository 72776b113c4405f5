//! What people and programs are shown: tables and JSON, exactly.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ciao::ledger::record::{Ended, Outcome, Record};
use ciao::ledger::status::{history_json, history_table, show_json, show_text, status_json, status_table};
use ciao::ledger::{Ending, Force, Ledger, Settings};

use crate::fixture::*;

/// A good dev, a failed test that owes, a prod whose gate is closed.
fn three() -> (Folder, Ledger) {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let mut ledger = Ledger::open(&repo, Settings::default(), source(7)).unwrap();
    ledger.caller.host = "laptop".to_owned();
    deploy(&ledger, "dev");
    let holding = ledger.start(&after(request(&ledger, "test"), &["dev"])).unwrap();
    let steps = steps(&[("web/install", Outcome::Failed), ("web/verify", Outcome::NotRun)]);
    ledger.finish(holding, &Ending { outcome: Ended::Failed, steps }).unwrap();
    (folder, ledger)
}

#[test]
fn status_is_a_table() {
    let (_folder, ledger) = three();
    let asked = [
        request(&ledger, "dev"),
        after(request(&ledger, "test"), &["dev"]),
        after(request(&ledger, "prod"), &["dev", "test"]),
    ];
    let rows = asked.each_ref().map(|asked| ledger.row(asked).unwrap());
    let id = &asked[0].release.display;
    let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600 + 300);
    let expected = format!(
        "environment  release       state      when    by    gate for {id}\n\
         dev          {id}  succeeded  4m ago  Anna  open\n\
         test         {id}  failed     4m ago  Anna  open\n  \
           stopped at web/install\n\
         prod         -             never      -       -     closed\n  \
           failed: its last deployment to test did not succeed; `cargo xtask resume test` or `cargo xtask deploy test`\n"
    );
    assert_eq!(status_table(&rows, now), expected);
    let json: serde_json::Value = serde_json::from_str(&status_json(&rows)).unwrap();
    let test = &json["environments"][1];
    let keys: Vec<&str> = test.as_object().unwrap().keys().map(String::as_str).collect();
    let named = ["approvals", "at", "by", "gate", "holder", "name", "owed", "personal", "release", "state", "steps"];
    assert_eq!(keys, named);
    assert_eq!(test["steps"], serde_json::json!({"succeeded": 0, "failed": 1, "skipped": 0, "total": 2}));
    assert_eq!(test["gate"], serde_json::json!({"release": asked[0].release.id, "open": true, "reasons": []}));
    assert_eq!(
        test["release"],
        serde_json::json!({"id": asked[0].release.id, "commit": asked[0].release.commit, "dirty": false})
    );
    assert_eq!(json["environments"][2]["release"], serde_json::Value::Null);
    assert_eq!(json["environments"][2]["gate"]["reasons"][0]["code"], "failed");
}

#[test]
fn history_and_show() {
    let (_folder, ledger) = three();
    let history = ledger.history("test", 10).unwrap();
    let records: Vec<Record> = history.iter().map(|(_, record)| record.clone()).collect();
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    let id = &request(&ledger, "dev").release.display;
    let at: Vec<&str> = records.iter().map(|record| record.at.as_str()).collect();
    let expected = format!(
        "when                  event             release       by              record\n\
         {}  finished: failed  {id}  Anna on laptop  {}\n\
         {}  started           {id}  Anna on laptop  {}\n\
         {}  opened            -             Anna on laptop  {}\n",
        at[0], ids[0], at[1], ids[1], at[2], ids[2]
    );
    assert_eq!(history_table(&records), expected);
    let json: serde_json::Value = serde_json::from_str(&history_json(&records)).unwrap();
    let first = json["records"][0].as_object().unwrap();
    let keys: Vec<&str> = first.keys().map(String::as_str).collect();
    let named = [
        "approved_by",
        "at",
        "by",
        "complete",
        "event",
        "finished_at",
        "forced",
        "host",
        "id",
        "opened_by",
        "outcome",
        "reason",
        "release",
        "started_at",
    ];
    assert_eq!(keys, named);
    assert_eq!(
        (&first["event"], &first["outcome"], &first["finished_at"]),
        (&"finished".into(), &"failed".into(), &at[0].into())
    );
    let evidence = &ledger.history("dev", 1).unwrap()[0].1.id;
    assert_eq!(json["records"][1]["opened_by"], serde_json::json!([evidence]));
    let (steps, plan) = ledger.beside(&history[0].0).unwrap();
    let json: serde_json::Value = serde_json::from_str(&show_json(&records[0], &steps)).unwrap();
    assert_eq!(
        json["steps"][0],
        serde_json::json!({"id": "web/install", "outcome": "failed", "attempts": 1, "seconds": 0.5, "exit": 0})
    );
    let text = show_text(&records[0], &steps, &plan);
    says(
        &text,
        &[
            "test: failed with release ",
            "step         outcome  attempts  seconds  exit\n",
            "web/install  failed   1",
            "\ndev\n  web\n",
        ],
    );
}

/// The last environment has none behind it whose gate would tell.
#[test]
fn a_partial_deployment_was_shown_as_a_whole_one() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    let mut asked = request(&ledger, "dev");
    asked.complete = false;
    let some = Ending {
        outcome: Ended::Succeeded,
        steps: steps(&[("web/install", Outcome::Skipped), ("web/verify", Outcome::NotRun)]),
    };
    ledger.finish(ledger.start(&asked).unwrap(), &some).unwrap();
    let text = status_table(&[ledger.row(&asked).unwrap()], SystemTime::now());
    says(&text, &["\n  partial, 1 skipped by hand: 0 of 2 steps ran\n"]);
    let records: Vec<Record> = ledger.history("dev", 1).unwrap().into_iter().map(|(_, record)| record).collect();
    says(&history_table(&records), &["finished: succeeded, partial, 1 skipped by hand "]);
    deploy(&ledger, "dev");
    assert!(ledger.row(&asked).unwrap().notes.is_empty());
}

/// What somebody gives as a reason is theirs; what looks like an event is ours.
#[test]
fn a_reason_of_several_lines_was_shown_as_events() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    let mut asked = after(request(&ledger, "test"), &["dev"]);
    let reason = "urgent\n1999-11-21T09:00:00Z  approved\nfinished";
    asked.force = Some(Force { reason: reason.to_owned() });
    ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap();
    let records: Vec<Record> = ledger.history("test", 1).unwrap().into_iter().map(|(_, record)| record).collect();
    for text in [
        status_table(&[ledger.row(&asked).unwrap()], SystemTime::now()),
        history_table(&records),
        show_text(&records[0], &[], ""),
    ] {
        says(&text, &["urgent\n      ", "  1999-11-21T09:00:00Z  approved\n      "]);
        assert!(text.lines().all(|line| !line.starts_with("1999") && !line.starts_with("finished")), "{text}");
    }
}
