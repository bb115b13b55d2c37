"""The main job: many images → records → tables and reports."""
