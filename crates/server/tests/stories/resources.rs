//! Resources through the routes and through the tools of agents.

use crate::agent::{Agent, text};
use crate::common::Alice;
use antiphon_server::ToolProfile;
use antiphon_server::client::ClientError;
use antiphon_server::dto::{
    Change, NewConsiderDto, NewResourceDto, ResourceEditDto, ResourceFilterDto, ResourcePlanDto, WindowDto,
};
use antiphon_server::error::{Code, Problem};
use serde_json::{Value, json};

fn problem<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Problem {
    result.unwrap_err().into()
}

fn new(kind: &str, name: &str) -> NewResourceDto {
    NewResourceDto { kind: kind.into(), name: name.into(), ..NewResourceDto::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_lives_through_all_its_routes() {
    let alice = Alice::start().await;
    let client = &alice.client;
    let gpu = NewResourceDto {
        description: Some("Two cards.".into()),
        address: Some("ssh:gpu.lan".into()),
        capabilities: vec!["cuda".into(), " training ".into()],
        ..new("compute", "gpu box")
    };
    let told = client.create_resource(&gpu).await.unwrap();
    assert_eq!((told.version, told.members), (1, 0));
    let edit = ResourceEditDto {
        description: Change::Clear,
        tags: Change::Set(vec!["lab".into()]),
        ..ResourceEditDto::default()
    };
    assert_eq!(client.update_resource("gpu box", &edit).await.unwrap().version, 2);
    assert_eq!(problem(client.update_resource("gpu box", &edit).await).code, Code::Invalid, "it changes nothing");
    let window = WindowDto { from: "2030-01-31".into(), until: "2030-02-01".into(), note: Some("half".into()) };
    client.plan_resource(&told.id, &ResourcePlanDto { windows: vec![window], at: None }).await.unwrap();
    let shown = client.resource(&told.id[..22]).await.unwrap();
    let json = serde_json::to_value(&shown).unwrap();
    for (key, value) in [("name", "gpu box"), ("ownership", "own"), ("owner", "alice")] {
        assert_eq!(json[key], value, "{key}");
    }
    assert_eq!((&json["capabilities"], &json["tags"]), (&json!(["cuda", "training"]), &json!(["lab"])));
    assert!(json.get("description").is_none() && json["plan"]["windows"][0]["from"] == "2030-01-31T00:00:00.000Z");
    let yes = NewConsiderDto { from: "2".into(), until: "3".into(), yes: true, note: None, peer: None };
    assert_eq!(problem(client.consider_resource(&told.id, &yes).await).code, Code::Undecided);
    assert_eq!(problem(client.verify_resource(&told.id).await).code, Code::Invalid);
    let offers = client.offers().await.unwrap().offers;
    assert_eq!((offers.len(), offers[0].offers.kinds["compute"]), (1, 1));
    client.delete_resource("gpu box").await.unwrap();
    assert_eq!(problem(client.resource(&told.id).await).code, Code::NotFound);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_are_listed_in_pages_and_found_by_words() {
    let alice = Alice::start().await;
    let client = &alice.client;
    for n in 0..5 {
        client.create_resource(&new("tool", &format!("linter {n}"))).await.unwrap();
    }
    client.create_resource(&new("model", "small model")).await.unwrap();
    let mut filter = ResourceFilterDto { kind: Some("tool".into()), limit: Some(2), ..ResourceFilterDto::default() };
    let mut seen = 0;
    loop {
        let page = client.resources(&filter).await.unwrap();
        seen += page.resources.len();
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 5);
    let of_alice = ResourceFilterDto { owner: Some("alice".into()), ..ResourceFilterDto::default() };
    assert_eq!(client.resources(&of_alice).await.unwrap().resources.len(), 6);
    let search = |text: &str| ResourceFilterDto { text: Some(text.into()), ..ResourceFilterDto::default() };
    assert_eq!(client.search_resources(&search("linters")).await.unwrap().resources.len(), 5);
    assert_eq!(client.search_resources(&search("small")).await.unwrap().resources[0].name, "small model");
    let wrong = ResourceFilterDto { kind: Some("rocket".into()), ..ResourceFilterDto::default() };
    assert!(problem(client.resources(&wrong).await).hint.unwrap().contains("workflow"));
    alice.stop().await;
}

async fn good(agent: &mut Agent, tool: &str, arguments: Value) -> Value {
    let result = agent.call(tool, arguments).await;
    assert_ne!(result["isError"], true, "{tool}: {result}");
    assert!(!text(&result).is_empty(), "{tool}");
    result["structuredContent"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_offers_and_finds_resources() {
    let alice = Alice::start().await;
    let mut agent = Agent::with(&alice, ToolProfile::Full).await;
    let offer = json!({"kind": "dataset", "name": "call logs", "capabilities": ["csv"], "tags": null,
        "idempotency_key": "k"});
    let id = good(&mut agent, "resource_publish", offer.clone()).await["id"].clone();
    assert_eq!(good(&mut agent, "resource_publish", offer.clone()).await["id"], id, "twice is once");
    let change = json!({"id": "call logs", "description": "Since \u{202E}2020"});
    let refused = agent.call("resource_publish", change).await;
    assert_eq!(refused["structuredContent"]["error"]["code"], "invalid", "{refused}");
    let change = json!({"id": "call logs", "description": "Since 2020"});
    assert_eq!(good(&mut agent, "resource_publish", change).await["version"], 2);
    let found = good(&mut agent, "resources", json!({"text": "logs", "peers": true})).await;
    assert_eq!((&found["resources"][0]["id"], &found["asked"]), (&id, &json!([])));
    assert_eq!(good(&mut agent, "resources", json!({"capability": "csv"})).await["resources"][0]["id"], id);
    assert_eq!(good(&mut agent, "resources", json!({"id": id})).await["description"], "Since 2020");
    let own = agent.call("resource_verify", json!({"id": id})).await;
    assert_eq!(own["structuredContent"]["error"]["code"], "invalid", "{own}");
    good(&mut agent, "resource_publish", json!({"id": id, "delete": true})).await;
    assert_eq!(good(&mut agent, "resources", json!({})).await["resources"], json!([]));
    assert_eq!(good(&mut agent, "resource_publish", offer).await["id"], id);
    assert_eq!(good(&mut agent, "resources", json!({})).await["resources"][0]["id"], id, "it is there again");
    agent.leave().await;
    alice.stop().await;
}
