"""The mapping as people see it: tables, files, offered fields, previews."""
