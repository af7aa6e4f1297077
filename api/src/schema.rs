//! The tables as diesel sees them; kept in step with `migrations/` by a test.

diesel::table! {
    users (id) {
        id -> Uuid,
        username -> Nullable<Text>,
        email -> Nullable<Text>,
        full_name -> Nullable<Text>,
        password_hash -> Text,
        is_admin -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        username_mapped -> Nullable<Text>,
        email_mapped -> Nullable<Text>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        created_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    refresh_tokens (token_hash) {
        token_hash -> Bytea,
        session_id -> Uuid,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    revocations (subject) {
        subject -> Uuid,
        revoked_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    devices (id) {
        id -> Uuid,
        owner_id -> Uuid,
        name -> Text,
        location -> Nullable<Text>,
        serial_number -> Nullable<Text>,
        description -> Nullable<Text>,
        ingest_auth -> Text,
        offline_after_s -> Int4,
        is_server -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        search_text -> Text,
    }
}

diesel::table! {
    device_credentials (id) {
        id -> Uuid,
        device_id -> Uuid,
        secret_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    device_state (device_id) {
        device_id -> Uuid,
        heartbeat_ts -> Nullable<Timestamptz>,
        reading_ts -> Nullable<Timestamptz>,
        last_seen_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    device_status_changes (device_id, at) {
        device_id -> Uuid,
        at -> Timestamptz,
        status -> Text,
        decided_at -> Timestamptz,
        reason -> Text,
    }
}

diesel::table! {
    availability_runs (replica_id, available_since) {
        replica_id -> Uuid,
        available_since -> Timestamptz,
        available_until -> Timestamptz,
        recorded_at -> Timestamptz,
    }
}

diesel::table! {
    worker_watermarks (worker_id) {
        worker_id -> Uuid,
        stored_through -> Nullable<Timestamptz>,
        recorded_at -> Timestamptz,
        is_leaving -> Bool,
        backend_pid -> Int4,
        backend_start -> Timestamptz,
    }
}

diesel::table! {
    account_purges (owner_id) {
        owner_id -> Uuid,
        tokens_until -> Timestamptz,
    }
}

diesel::table! {
    device_purges (device_id) {
        device_id -> Uuid,
        deleted_at -> Timestamptz,
    }
}

diesel::table! {
    heartbeats (device_id, ts) {
        device_id -> Uuid,
        ts -> Timestamptz,
        received_at -> Timestamptz,
        cpu_usage -> Nullable<Double>,
        ram_usage -> Nullable<Double>,
        disk_free -> Nullable<Double>,
        temperature -> Nullable<Double>,
        latency -> Nullable<Double>,
        connectivity -> Nullable<Bool>,
        boot_time -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    readings (device_id, ts) {
        device_id -> Uuid,
        ts -> Timestamptz,
        received_at -> Timestamptz,
        temperature -> Nullable<Double>,
        humidity -> Nullable<Double>,
        voltage -> Nullable<Double>,
        current -> Nullable<Double>,
        metrics -> Nullable<Jsonb>,
    }
}

diesel::table! {
    tasks (id) {
        id -> Uuid,
        owner_id -> Uuid,
        title -> Text,
        title_folded -> Text,
        description -> Nullable<Text>,
        status -> Text,
        device_id -> Nullable<Uuid>,
        due_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    audit_log (id) {
        id -> Uuid,
        at -> Timestamptz,
        actor_id -> Uuid,
        action -> Text,
        subject_id -> Uuid,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
    }
}

diesel::table! {
    products (id) {
        id -> Uuid,
        title -> Text,
        description -> Nullable<Text>,
        category -> Nullable<Text>,
        price_minor -> Int8,
        currency -> Text,
        stock -> Int4,
        is_device -> Bool,
        image_url -> Nullable<Text>,
        sku -> Nullable<Text>,
        source -> Nullable<Text>,
        external_id -> Nullable<Text>,
        import_digest -> Nullable<Bytea>,
        retired_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        search_text -> Text,
    }
}

diesel::table! {
    throughput_counts (owner_id, slot, source) {
        owner_id -> Uuid,
        slot -> Timestamptz,
        source -> Uuid,
        accepted -> Int8,
        stored -> Int8,
    }
}

diesel::table! {
    carts (user_id) {
        user_id -> Uuid,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    cart_items (user_id, product_id) {
        user_id -> Uuid,
        product_id -> Uuid,
        quantity -> Int4,
        added_at -> Timestamptz,
    }
}

diesel::table! {
    orders (id) {
        id -> Uuid,
        buyer_id -> Nullable<Uuid>,
        status -> Text,
        currency -> Text,
        total_minor -> Int8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    order_items (order_id, product_id) {
        order_id -> Uuid,
        product_id -> Uuid,
        title -> Text,
        sku -> Nullable<Text>,
        is_device -> Bool,
        unit_price_minor -> Int8,
        quantity -> Int4,
    }
}

diesel::table! {
    order_status_changes (order_id, status) {
        order_id -> Uuid,
        status -> Text,
        changed_by -> Text,
        changed_at -> Timestamptz,
    }
}

diesel::table! {
    order_keys (user_id, key) {
        user_id -> Uuid,
        key -> Text,
        body_digest -> Bytea,
        order_id -> Uuid,
        answer -> Text,
        created_at -> Timestamptz,
    }
}

diesel::joinable!(cart_items -> products (product_id));
diesel::allow_tables_to_appear_in_same_query!(cart_items, products);

diesel::joinable!(devices -> users (owner_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(refresh_tokens -> sessions (session_id));
diesel::joinable!(device_credentials -> devices (device_id));
diesel::joinable!(device_state -> devices (device_id));
diesel::allow_tables_to_appear_in_same_query!(
    device_credentials,
    device_state,
    devices,
    refresh_tokens,
    sessions,
    users
);
