//! The event log and the messages.

use super::subject::{Subject, at, slot, warning};
use crate::ids::Seq;
use crate::model::{EventBody, Message, Recipient, TaskStatus};
use crate::ports::{Change, StoreErrorKind};

fn note(bodies: Vec<EventBody>) -> Change {
    Change::Note { task: None, slot: None, bodies, at: at(3) }
}

pub(super) async fn notes(subject: Subject) {
    let bodies = vec![
        warning("grün \u{0} \u{1b}[2J"),
        EventBody::AgentText { text: String::new() },
        EventBody::ToolFinished { call: "c".to_owned(), is_error: true },
    ];
    let applied = subject.apply(note(bodies.clone())).await;
    assert_eq!(applied.seq, Seq(3), "`seq` must be the number of the last event of the change");
    assert_eq!(subject.bodies(Seq(0)).await, bodies, "events must be read back as they were written");
    assert_eq!(
        subject.apply(note(Vec::new())).await.seq,
        Seq(3),
        "a change without events must give the newest number"
    );

    let foreign = EventBody::TaskFinished { status: TaskStatus::Done, reason: None };
    subject.refused(note(vec![warning("before"), foreign]), StoreErrorKind::Invalid).await;
    let status = EventBody::ApprovalSettled {
        approval: crate::ids::ApprovalId::generate(),
        status: crate::model::ApprovalStatus::Approved,
        by: "nobody".to_owned(),
    };
    subject.refused(note(vec![status]), StoreErrorKind::Invalid).await;
}

pub(super) async fn pages(subject: Subject) {
    let mut newest = subject.store.newest();
    newest.borrow_and_update();
    for number in 0..10 {
        subject.apply(note(vec![warning(&number.to_string())])).await;
    }
    assert!(newest.has_changed().is_ok_and(|changed| changed), "`newest` must wake up whoever waits on it");
    let mut seen = Vec::new();
    let mut since = Seq(0);
    loop {
        let page = subject.store.events(since, 3).await.expect("the events must be readable");
        assert!(page.len() <= 3, "a page must keep to its limit");
        let Some(last) = page.last() else { break };
        since = last.seq;
        seen.extend(page);
    }
    assert_eq!(
        seen,
        subject.events(Seq(0)).await,
        "whoever reads on from its number must miss nothing and see nothing twice"
    );
    for beyond in [Seq(10), Seq(11), Seq(u64::MAX)] {
        let page = subject.store.events(beyond, 3).await.expect("the events must be readable");
        assert_eq!(page, [], "there must be nothing after the newest event");
    }
    let none = subject.store.events(Seq(0), 0).await.expect("the events must be readable");
    assert_eq!(none, [], "a limit of 0 must give nothing");
}

pub(super) async fn messages(subject: Subject) {
    let recipients = [Recipient::Slot(slot("b")), Recipient::Everyone, Recipient::Person];
    let mut sent = Vec::new();
    for (to, from) in recipients.into_iter().zip([None, Some(slot("a")), Some(slot("b"))]) {
        let message = Message::new(from, to, "hi \u{0} ü", at(4));
        subject.apply(Change::SendMessage { message: Box::new(message.clone()) }).await;
        sent.push(message);
    }
    let read = subject.store.messages(10).await.expect("the messages must be readable");
    assert_eq!(read, sent, "messages must be read back as they were sent, oldest first");
    let newest = subject.store.messages(2).await.expect("the messages must be readable");
    assert_eq!(newest, sent[1..], "a limit must keep the newest messages, oldest first");
    let kinds: Vec<_> = subject.bodies(Seq(0)).await.iter().map(EventBody::kind).collect();
    assert_eq!(kinds, ["message.sent"; 3], "each message must be in the log");

    subject
        .refused(Change::SendMessage { message: Box::new(sent[0].clone()) }, StoreErrorKind::Conflict)
        .await;
    let long = "x".repeat(Message::MAX_TEXT_BYTES + 1);
    let long = Message::new(None, Recipient::Person, long, at(4));
    subject.refused(Change::SendMessage { message: Box::new(long) }, StoreErrorKind::Invalid).await;
}
