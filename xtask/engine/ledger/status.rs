//! What people and programs are shown of the ledger: tables and JSON. Pure; what the ledger cannot know it is given.
