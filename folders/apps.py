from django.apps import AppConfig


class FoldersConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "folders"

    def ready(self) -> None:
        from agents.assembly import SYSTEM_SECTIONS
        from folders.file_tools import BUILT_IN
        from folders.prompt import folders_section
        from tools.built_in import register

        SYSTEM_SECTIONS.append(folders_section)
        for tool in BUILT_IN:
            register(tool)
