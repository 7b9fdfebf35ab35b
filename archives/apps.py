from django.apps import AppConfig


class ArchivesConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "archives"

    def ready(self) -> None:
        from archives.built_ins import register_all

        register_all()
