//! What is of several files, and what `docs/wire-format.md` says of them.

use actix::Message;
use serde::{Deserialize, Serialize};

use super::call::answered;
use crate::error::ErrorKind;
use crate::framing::call::{Answer, Failure, failure};
use crate::tally::name_of;

#[derive(Message, Serialize, Deserialize)]
#[rtype(result = "()")]
struct Nothing;

fn kind_of(why: Failure) -> ErrorKind {
    let (outcome, unreadable) = answered::<Nothing, super::DefaultFormat>(failure(why, "why"));
    assert!(unreadable.is_none());
    outcome.unwrap_err().kind()
}

/// The first, second and last columns of the document's table of failures.
fn table() -> Vec<[&'static str; 3]> {
    let document = include_str!("../../docs/wire-format.md");
    let section = document.split("\n## Failures\n").nth(1).unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        [cells[1], cells[2], cells[5]]
    };
    rows.map(cells).collect()
}

#[test]
fn the_documents_failures_are_those_that_there_are() {
    let mut there = Vec::new();
    for code in 0..=u8::MAX {
        let header = Answer::Failure(Failure::Other(code)).compose();
        let Ok(Answer::Failure(why)) = Answer::parse(&header) else { panic!("{code}") };
        if why != Failure::Other(code) {
            there.push((code.to_string(), why));
        }
    }
    there.push(("others".to_owned(), Failure::Other(255)));
    let there: Vec<_> = there
        .into_iter()
        .map(|(code, why)| [code, name_of(why).to_owned(), format!("{:?}", kind_of(why))])
        .collect();
    assert_eq!(table(), there);
}
