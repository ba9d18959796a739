//! A notification's whole way: from a provider's socket through the world to phones on courier sockets, and back.

use tokio::io::AsyncWriteExt;

use crate::support::{Scene, alert, framed, has_received, received};

#[tokio::test]
async fn a_push_is_shown_on_the_phone_its_token_names_and_on_no_other() {
    let scene = Scene::set().await;
    let (phone, token) = scene.phone("iPhone 1").await;
    let (other, _) = scene.phone("iPhone 2").await;
    let mut provider = scene.provider().await;
    provider
        .write_all(&framed(1, token.as_bytes(), &alert("hi")))
        .await
        .unwrap();
    has_received(&phone, &[alert("hi")]).await;
    let shown = phone.with(|phone| {
        phone
            .lock_screen()
            .notes()
            .map(|note| note.alert.body)
            .collect::<Vec<_>>()
    });
    assert_eq!(shown, [Some("hi".into())]);
    assert!(received(&other).is_empty());
}
