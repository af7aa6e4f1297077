//! The audit log.

use serde_json::json;

use crate::support::shop::Shop;

#[tokio::test]
async fn administrators_alone_read_the_audit_log_filtered_and_in_pages() {
    let shop = Shop::open().await;
    let _ = shop.product(json!({})).await;
    let user = shop.pulso.client.new_user().await;
    for (client, status) in [(&shop.pulso.client, 401), (&user, 403)] {
        let _ = client.get("/admin/audit").await.expect(status);
    }
    let _ = shop.admin.get("/admin/audit?actor_id=x&subject_id=y").await.expect(422);
    let first = shop.admin.get("/admin/audit?limit=1&action=product.created").await.expect(200);
    assert_eq!((first.body.as_array().unwrap().len(), first.next_page()), (1, None));
    shop.pulso.finish().await;
}
