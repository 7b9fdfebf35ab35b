from django.apps import AppConfig


class ArchivesConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "archives"

    def ready(self) -> None:
        from agents.assembly import SYSTEM_SECTIONS
        from archives.built_ins import register_all
        from archives.prompt import archival_section

        register_all()
        SYSTEM_SECTIONS.append(archival_section)
